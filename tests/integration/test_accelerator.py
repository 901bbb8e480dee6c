"""A compute configured for KVM proves it first, and refuses to start where it does not work."""

from pathlib import Path

import pytest

from minova.virt.libvirt import kvmprobe
from tests.cloud import Cloud

GUEST = Path(__file__).resolve().parents[2] / "build" / "guest"


@pytest.mark.integration
def test_a_compute_without_working_kvm_says_why_it_does_not_start(tmp_path: Path) -> None:
    if not (GUEST / "vmlinuz").exists():
        pytest.skip("no test guest; run tools/build-guest-image --out build/guest")
    verdict = kvmprobe.probe(GUEST / "vmlinuz", GUEST / "probe-initrd")
    if verdict.usable:
        pytest.skip("KVM works on this machine; every other test runs on it")
    cloud = Cloud(
        tmp_path,
        programs=["minova-compute"],
        options={
            "compute": {"virt_driver": "libvirt"},
            "libvirt": {
                "virt_type": "kvm",
                "probe_kernel": GUEST / "vmlinuz",
                "probe_initrd": GUEST / "probe-initrd",
            },
        },
    )
    cloud.write_config()
    cloud.start_program("minova-compute")
    try:
        assert cloud.processes["minova-compute"].wait(timeout=60) != 0
    finally:
        cloud.stop()
    last = cloud.log("minova-compute").strip().splitlines()[-1]
    assert last.startswith("minova-compute cannot start: This host cannot run KVM guests: ")
    assert "virt_type = qemu" in last
