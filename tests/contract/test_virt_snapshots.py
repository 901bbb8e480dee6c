"""Snapshots: what every virt driver promises about a disk's copy."""

import subprocess
from pathlib import Path

import pytest

from minova.common import errors
from minova.common.image_format import Inspection
from minova.model import states
from tests.integration import sector_guest
from tests.unit.virt import nouns

pytest_plugins = ["tests.contract.virt_rig"]
GIB = 1024**3


def _never() -> bool:
    return False


def _copy(rig, instance) -> bytes:
    """The whole copy, proven to be what an image service accepts, of the flavor's size."""
    with rig.driver.snapshot(instance, _never) as disk:
        data = b"".join(disk.chunks())
        assert len(data) == disk.size
        assert b"".join(disk.chunks()) == data  # an upload may begin anew
    inspection = Inspection("qcow2", "The snapshot")
    inspection.feed(data)
    assert inspection.finish() == GIB
    return data


def _raw(folder: Path, data: bytes) -> bytes:
    """The first MiB of the disk in a qcow2 file."""
    source, target = folder / "copy.qcow2", folder / "copy.raw"
    source.write_bytes(data)
    command = ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1M", "count=1"]
    subprocess.run([*command, f"if={source}", f"of={target}"], check=True)
    return target.read_bytes()


@pytest.mark.parametrize("condition", ["running", "paused", "suspended", "stopped"])
def test_a_snapshot_has_the_whole_disk_and_leaves_the_guest_as_it_is(
    rig, tmp_path, condition
) -> None:
    server = rig.boot()
    rig.line_count(server, 1)
    bring = {
        "running": lambda: None,
        "paused": lambda: rig.driver.pause(server),
        "suspended": lambda: rig.driver.suspend(server),
        "stopped": lambda: rig.driver.power_off(server, timeout=0),
    }
    bring[condition]()
    before = rig.driver.power_state(server)
    data = _copy(rig, server)
    assert rig.driver.power_state(server) == before
    assert rig.line_count(server, 1) == 1, "the guest was started again"
    if not rig.is_fake:
        assert _raw(tmp_path, data) == sector_guest.image("HELLO")
        _left_nothing(rig, server)


def _left_nothing(rig, server) -> None:
    folder = rig.folder / "instances" / server.uuid
    assert not [f.name for f in folder.iterdir() if "snapshot" in f.name]


def test_a_snapshot_goes_also_when_its_upload_fails(rig) -> None:
    server = rig.boot()
    with pytest.raises(RuntimeError), rig.driver.snapshot(server, _never):
        raise RuntimeError("the image service is gone")
    assert rig.driver.power_state(server) == states.RUNNING
    if not rig.is_fake:
        _left_nothing(rig, server)


def test_a_snapshot_ends_when_the_server_is_deleted_meanwhile(rig) -> None:
    server = rig.boot()
    asked = []

    def cancelled() -> bool:
        asked.append(True)
        return True

    with pytest.raises(errors.Conflict), rig.driver.snapshot(server, cancelled):
        raise AssertionError("a copy of what is being deleted")
    assert asked
    if not rig.is_fake:
        _left_nothing(rig, server)
    rig.driver.destroy(server)


def test_a_server_without_a_disk_has_no_snapshot(rig) -> None:
    server = rig.boot()
    rig.driver.destroy(server)
    with pytest.raises(errors.NotFound), rig.driver.snapshot(server, _never):
        raise AssertionError("a copy of nothing")


@pytest.mark.parametrize("runs", [True, False])
def test_cve_2016_2140_a_snapshot_reads_no_file_that_a_guest_names(rig, tmp_path, runs) -> None:
    server = rig.boot()
    if rig.is_fake:
        return  # nobody can write to its disks
    rig.line_count(server, 1)
    rig.driver.power_off(server, timeout=0)
    secret = rig.folder / "secret"
    secret.write_bytes(b"of the host".ljust(sector_guest.SIZE, b"."))
    header = nouns.qcow2(tmp_path, "64M", "-b", str(secret), "-F", "raw")[:65536]
    (tmp_path / "header").write_bytes(header)
    disk = rig.folder / "instances" / server.uuid / "disk"
    writing = f"write -s {tmp_path / 'header'} 0 65536"
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", writing, str(disk)], check=True)
    if runs:
        rig.driver.power_on(server, [])
    data = _copy(rig, server)
    assert b"of the host" not in data
    assert _raw(tmp_path, data)[: len(header)] == header
