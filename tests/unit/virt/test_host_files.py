"""Config drive, console log, programs we run, and the accelerator's proof."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from oslo_config import cfg

from minova import conf
from minova.common import errors
from minova.virt.driver import GuestFiles
from minova.virt.libvirt import configdrive, consolelog, disks, kvmprobe, resources
from minova.virt.libvirt.connection import translated
from minova.virt.libvirt.kvmprobe import Verdict
from tests.unit.virt import nouns


def test_the_config_drive_is_labelled_and_holds_the_files(tmp_path: Path) -> None:
    drive = tmp_path / "disk.config"
    files = {"openstack/latest/meta_data.json": b'{"a": 1}', "ec2/2009-04-04/user-data": b"x"}
    configdrive.make(drive, GuestFiles({"openstack/latest/meta_data.json": b"old"}))
    configdrive.make(drive, GuestFiles(files))
    assert drive.read_bytes()[32808:32840].strip() == b"config-2"
    listed = subprocess.run(
        ["isoinfo", "-R", "-x", "/openstack/latest/meta_data.json", "-i", str(drive)],
        capture_output=True,
        check=True,
    )
    assert json.loads(listed.stdout) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["disk.config"]


@pytest.mark.parametrize("name", ["/etc/passwd", "a/../../b"])
def test_no_file_gets_out_of_the_config_drive(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError):
        configdrive.make(tmp_path / "disk.config", GuestFiles({name: b""}))
    assert list(tmp_path.iterdir()) == []


def test_the_console_log_is_read_across_a_turned_over_file(tmp_path: Path) -> None:
    log = tmp_path / "console.log"
    assert consolelog.tail(log, 100) == b""
    log.write_bytes(b"new")
    assert consolelog.tail(log, 100) == b"new"
    (tmp_path / "console.log.0").write_bytes(b"older,")
    assert consolelog.tail(log, 100) == b"older,new"
    assert consolelog.tail(log, 5) == b"r,new"
    assert consolelog.tail(log, 2) == b"ew"
    assert consolelog.tail(log, 0) == b""


def test_cve_2015_5162_qemu_img_cannot_grow_without_end() -> None:
    with pytest.raises(errors.Unavailable, match="python3 failed"):
        disks.run(*disks._LIMITS, "python3", "-c", "bytearray(2 * 1024**3)")


def test_a_program_that_fails_is_named_without_its_words(tmp_path: Path) -> None:
    with pytest.raises(errors.Unavailable) as failure:
        disks.run("ls", str(tmp_path / "missing"))
    assert str(tmp_path) not in failure.value.message
    with pytest.raises(errors.Unavailable, match="no-such-program"):
        disks.run("no-such-program")


def test_disks_are_made_once_and_whole(tmp_path: Path) -> None:
    from minova.model.instance import Flavor

    flavor = Flavor("1", "f", 1, 64, 1, ephemeral_gb=1, swap_mb=16)
    instance = nouns.instance_of(flavor=flavor)
    folder = disks.InstanceFolder(tmp_path, instance.uuid)
    folder.make()
    for make in (disks.make_local, disks.make_local):
        make(folder, instance)
    names = sorted(p.name for p in folder.path.iterdir())
    assert names == ["disk.eph0", disks.SWAP]
    assert (folder / disks.SWAP).read_bytes()[4086:4096] == b"SWAPSPACE2"
    assert disks.instance_uuids(tmp_path) == [instance.uuid]
    folder.remove()
    folder.remove()
    assert disks.instance_uuids(tmp_path) == []


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("Failed to connect socket to '/run/libvirt/virtlogd-sock'", "virtlogd"),
        ("cannot set up guest memory 'pc.ram': Cannot allocate memory", "memory"),
        ("Cannot get interface MTU on 'br-x': No such device", "bridge"),
        ("something with /a/path nobody foresaw", "the log of nova-compute"),
    ],
)
def test_what_libvirt_says_becomes_a_sentence_without_paths(said: str, word: str) -> None:
    import libvirt

    error = libvirt.libvirtError(said)
    error.err = (1, 10, said, 2, None, None, None, 0, 0)
    message = translated(error, "start the guest").message
    assert word in message and "/" not in message and message.startswith("libvirt could not")


@pytest.fixture
def accelerated(tmp_path: Path) -> Iterator[None]:
    conf.register()
    cfg.CONF.set_override("state_path", str(tmp_path))
    yield
    cfg.CONF.clear_override("state_path")
    cfg.CONF.clear_override("virt_type", "libvirt")


def test_kvm_that_fails_its_probe_refuses_with_the_reason(
    accelerated: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    probes = []

    def probe(kernel: Path, initrd: Path, *, deadline: float) -> Verdict:
        probes.append(kernel)
        return Verdict(False, "KVM internal error", 3.0)

    monkeypatch.setattr(kvmprobe, "probe", probe)
    cfg.CONF.set_override("virt_type", "kvm", "libvirt")
    for _ in range(2):
        with pytest.raises(errors.Unavailable, match=r"KVM internal error.*virt_type = qemu"):
            resources.prove_accelerator()
    assert len(probes) == 1, "the verdict is kept for this boot"
    cfg.CONF.set_override("virt_type", "qemu", "libvirt")
    assert "KVM internal error" in resources.prove_accelerator()


def test_kvm_that_passes_says_how(accelerated: None) -> None:
    cfg.CONF.set_override("virt_type", "kvm", "libvirt")
    assert resources.prove_accelerator(lambda: Verdict(True, "it booted", 1.0)) == "it booted"


def test_cpu_info_of_a_host_that_tells_little() -> None:
    assert resources.cpu_info("<capabilities><host/></capabilities>") == {}
