"""What this host offers, and by what it runs its guests."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from oslo_config import cfg

from minova.common import cpus, errors
from minova.virt.driver import HostResources
from minova.virt.libvirt import kvmprobe
from minova.virt.libvirt.connection import HostFacts
from minova.virt.libvirt.disks import GIB

LOG = logging.getLogger(__name__)
VERDICT = "kvm-verdict.json"
ACCELERATORS = {"kvm": "kvm", "qemu": "qemu (TCG)"}
_PROBE_SECONDS = 20.0


def describe(facts: HostFacts, instances: Path, accelerator_reason: str) -> HostResources:
    """The host as the scheduler sees it."""
    virt_type = cfg.CONF.libvirt.virt_type
    disk = os.statvfs(instances)
    return HostResources(
        hypervisor_hostname=facts.hostname,
        hypervisor_type="QEMU",
        hypervisor_version=facts.version,
        vcpus=facts.cpus,
        memory_mb=facts.memory_mb,
        disk_gb=disk.f_blocks * disk.f_frsize // GIB,
        disk_available_gb=disk.f_bavail * disk.f_frsize // GIB,
        cpu_info=cpu_info(facts.capabilities),
        accelerator=ACCELERATORS[virt_type],
        accelerator_reason=accelerator_reason,
        supported=[["x86_64", virt_type, "hvm"]],
    )


def cpu_info(capabilities: str) -> dict[str, Any]:
    """The host's CPU, from libvirt's capabilities."""
    cpu = ElementTree.fromstring(capabilities).find("host/cpu")
    if cpu is None:
        return {}
    topology = cpu.find("topology")
    counts = {} if topology is None else topology.attrib
    return {
        "arch": cpu.findtext("arch"),
        "model": cpu.findtext("model"),
        "vendor": cpu.findtext("vendor"),
        "topology": {key: int(counts.get(key, 1)) for key in ("sockets", "cores", "threads")},
        "features": [feature.get("name") for feature in cpu.findall("feature")],
    }


def prove_accelerator(probe: Callable[[], kvmprobe.Verdict] | None = None) -> str:
    """Why guests run as they do. Raises errors.Unavailable when KVM is wanted and unusable.

    `probe` replaces the ordinary one, and its verdict is not kept.
    """
    if cfg.CONF.libvirt.virt_type == "qemu":
        known = kvmprobe.load_verdict(_verdict_file())
        if known is not None and not known.usable:
            return f"virt_type=qemu is configured; KVM does not work here: {known.reason}"
        return "virt_type=qemu is configured"
    verdict = probe() if probe is not None else _proven()
    if not verdict.usable:
        raise errors.Unavailable(
            f"This host cannot run KVM guests: {verdict.reason}. Mend that, or emulate with "
            "[libvirt] virt_type = qemu."
        )
    return verdict.reason


def _proven() -> kvmprobe.Verdict:
    """This boot's verdict: kept, or found now."""
    file = _verdict_file()
    verdict = kvmprobe.load_verdict(file)
    if verdict is None:
        LOG.info("probing KVM with an ordinary kernel (at most %d s)", _PROBE_SECONDS)
        conf = cfg.CONF.libvirt
        kernel, initrd = Path(conf.probe_kernel), Path(conf.probe_initrd)
        with cpus.everywhere():
            verdict = kvmprobe.probe(kernel, initrd, deadline=_PROBE_SECONDS)
        kvmprobe.save_verdict(file, verdict)
    return verdict


def _verdict_file() -> Path:
    return Path(cfg.CONF.state_path) / VERDICT
