"""The QEMU guest agent in a real guest: what it does for its server, and when nova-compute dies.

One guest serves all tests, in their order.
"""

import dataclasses
import os
import re
import select
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from minova.common import errors
from minova.model import guest_metadata, states
from minova.model.instance import Flavor, Instance
from minova.virt.driver import GuestFiles
from minova.virt.libvirt import agent, power
from tests.integration.test_libvirt_driver import BOOT_WAIT, GUEST_IMAGE, WAIT, Rig, rigs
from tests.unit.virt import nouns

pytest_plugins = ["tests.integration.private_libvirt"]
pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(not GUEST_IMAGE.exists(), reason="run tools/build-guest-image first"),
]
PROPERTIES = {
    "hw_qemu_guest_agent": "yes",
    "os_require_quiesce": "yes",
    "os_admin_user": "cirros",
}
# Where the guest's root partition begins (tools/build-guest-image).
ROOT_AT_MIB = 21


class Guest:
    """A server whose guest has an agent."""

    def __init__(self, rig: Rig) -> None:
        self.rig, self.driver = rig, rig.driver
        data = GUEST_IMAGE.read_bytes()
        source = nouns.Source(data, nouns.image_of(data, "qcow2", properties=PROPERTIES))
        flavor = Flavor(id="1", name="m1.tiny", vcpus=1, memory_mb=128, root_gb=1)
        self.server: Instance = nouns.instance_of(source.meta, flavor, image_properties=PROPERTIES)
        self.driver.cache_image(source)
        self.driver.make_disks(self.server, source.meta)
        files = GuestFiles(guest_metadata.config_drive(self.server, []))
        self.driver.spawn(self.server, source.meta, [], [], files)

    def says(self, words: bytes, seconds: float = WAIT) -> None:
        self.rig.wait_for_line(self.server, words, seconds)

    def asked(self, command: str) -> str:
        """What the agent answers, asked past the driver."""
        question = f'{{"execute": "{command}"}}'
        return self.rig.host.run("virsh", "qemu-agent-command", self.server.domain_name, question)

    def is_frozen(self) -> bool:
        return "frozen" in self.asked("guest-fsfreeze-status")

    def lag(self) -> float:
        """Seconds by which the guest's clock is behind ours."""
        told = self.rig.host.run("virsh", "domtime", self.server.domain_name)
        return time.time() - int(re.search(r"\d+", told)[0])

    def log_in(self, password: str) -> "Shell":
        return Shell(self.driver.open_console(self.server, "serial"), password)

    @property
    def note(self) -> Path:
        return self.driver._folder(self.server.uuid) / agent.NOTE


class Shell:
    """The serial console, with cirros logged in."""

    def __init__(self, console: int, password: str) -> None:
        self._console = console
        self.run("\n", r"login: ")
        self.run("cirros\n", r"Password: ")
        time.sleep(0.5)  # login drops what comes right after it has asked, and says nothing more
        if "incorrect" in self.run(f"{password}\n", r"\$ |incorrect"):
            raise PermissionError

    def run(self, text: str, answer: str) -> str:
        """Type `text`; what comes until `answer`."""
        os.write(self._console, text.encode())
        said, end = "", time.monotonic() + WAIT
        while not re.search(answer, said):
            if (left := end - time.monotonic()) <= 0:
                raise TimeoutError(said)
            if select.select([self._console], [], [], left)[0]:
                said += os.read(self._console, 4096).decode(errors="replace")
        return said

    def __enter__(self) -> "Shell":
        return self

    def __exit__(self, *_: object) -> None:
        self.run("exit\n", r"login: ")
        os.close(self._console)


@pytest.fixture(scope="module")
def guest(private_libvirt) -> Iterator[Guest]:
    with rigs(private_libvirt) as make:
        yield Guest(make())


def test_a_password_set_at_once_logs_in_and_the_images_own_does_not(guest: Guest) -> None:
    guest.driver.set_password(guest.server, 'n3w "$ecret')
    guest.says(b"ready, interfaces", BOOT_WAIT)
    with guest.log_in('n3w "$ecret') as shell:
        assert "42" in shell.run("echo $((6 * 7))\n", r"42\r\n")
    with pytest.raises(PermissionError):
        guest.log_in("gocubsgo")


def test_a_user_that_the_guest_does_not_know_gets_no_password(guest: Guest) -> None:
    other = {**PROPERTIES, "os_admin_user": "nobody"}
    with pytest.raises(errors.Conflict, match="could not set the password of nobody"):
        guest.driver.set_password(dataclasses.replace(guest.server, image_properties=other), "x")


def _has_open_journal(guest: Guest, folder: Path, server: Instance) -> bool:
    """Whether a copy of the disk has a file system that was in use."""
    copy = folder / "copy.qcow2"
    with guest.driver.snapshot(server, lambda: False) as disk:
        copy.write_bytes(b"".join(disk.chunks()))
    part = folder / "part"
    command = ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", "bs=1M", f"skip={ROOT_AT_MIB}"]
    subprocess.run([*command, "count=64", f"if={copy}", f"of={part}"], check=True)
    told = subprocess.check_output(["/sbin/dumpe2fs", "-h", part], text=True, stderr=-3)
    return "needs_recovery" in re.search("features:(.*)", told)[1]


def test_a_snapshot_is_of_file_systems_at_rest(guest: Guest, tmp_path: Path) -> None:
    plain = dataclasses.replace(guest.server, image_properties={})
    assert _has_open_journal(guest, tmp_path, plain)
    assert not _has_open_journal(guest, tmp_path, guest.server)
    assert not guest.is_frozen() and not guest.note.exists()


def test_a_guest_is_thawed_when_its_snapshot_fails(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    was_frozen = []

    def fail(*_: object) -> None:
        was_frozen.append(guest.is_frozen())
        raise errors.Unavailable("QEMU is out of space")

    monkeypatch.setattr("minova.virt.libvirt.guest.Guest.start_backup", fail)
    with pytest.raises(errors.Unavailable), guest.driver.snapshot(guest.server, lambda: False):
        pass
    assert was_frozen == [True] and not guest.is_frozen() and not guest.note.exists()


def test_a_guest_that_a_dead_nova_compute_left_frozen_is_thawed(guest: Guest) -> None:
    guest.note.touch()
    guest.rig.host.run("virsh", "domfsfreeze", guest.server.domain_name)
    assert guest.is_frozen()
    successor = Rig(guest.rig.host)
    successor.driver.start(lambda event: None)
    end = time.monotonic() + WAIT
    while guest.note.exists():
        assert time.monotonic() < end, "nobody thaws it"
        time.sleep(0.05)  # it is done beside the start, which tells nobody
    successor.driver.stop()
    assert not guest.is_frozen() and not guest.note.exists()


@pytest.mark.parametrize(("down", "up"), [("pause", "unpause"), ("suspend", "resume")])
def test_a_guest_that_stood_still_knows_the_time(guest: Guest, down: str, up: str) -> None:
    getattr(guest.driver, down)(guest.server)
    time.sleep(3)  # the time that the guest misses
    getattr(guest.driver, up)(guest.server)
    assert guest.driver.power_state(guest.server) == states.RUNNING
    assert guest.lag() < 2


def test_a_guest_that_is_deaf_to_its_power_button_shuts_down_cleanly(
    guest: Guest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs last: the guest is off afterwards."""
    monkeypatch.setattr(power, "_PRESS_AGAIN", 1.0)
    with guest.log_in('n3w "$ecret') as shell:
        shell.run("sudo rm /etc/acpi/PWRF/00000080\n", r"\$ ")
    guest.driver.power_off(guest.server, timeout=60)
    guest.says(b"shutdown -h -P")
    assert b"power button" not in guest.driver.console_output(guest.server)
