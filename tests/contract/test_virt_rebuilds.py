"""Rebuilds: what every virt driver promises of a guest made anew where it was."""

import time
from dataclasses import replace
from pathlib import Path

from minova.model import states
from tests.integration import sector_guest
from tests.unit.virt import nouns

pytest_plugins = ["tests.contract.virt_rig"]
WAIT = 20.0
_SPOT, _WORD = 512 * 1024**2, b"written by the guest"


def _rebuilt(rig, server, word: str, *, start: bool = True, keep_ephemeral: bool = False) -> None:
    image = rig.image(sector_guest.image(word))
    rig.driver.clear(server, keep_ephemeral=keep_ephemeral)
    assert rig.driver.power_state(server) == states.NOSTATE
    rig.driver.make_disks(server, image)
    rig.driver.spawn(server, image, [], [], None, start=start)


def test_a_rebuilt_guest_boots_from_the_other_image(rig) -> None:
    server = rig.boot()
    rig.line_count(server, 1)
    _rebuilt(rig, server, "OTHER")
    assert rig.driver.power_state(server) == states.RUNNING
    if not rig.is_fake:
        _says(rig, server, b"OTHER")
        assert b"HELLO" not in rig.driver.console_output(server)


def _says(rig, server, word: bytes) -> None:
    end = time.monotonic() + WAIT
    while word not in rig.driver.console_output(server):
        assert time.monotonic() < end, f"the guest does not say {word!r}"
        time.sleep(0.02)  # a log file tells nobody when it grows


def test_a_guest_rebuilt_stopped_starts_when_it_is_told_to(rig) -> None:
    server = rig.boot()
    rig.driver.power_off(server, timeout=0)
    _rebuilt(rig, server, "OTHER", start=False)
    assert rig.driver.power_state(server) == states.SHUTDOWN
    assert rig.events.empty(), "nobody has to hear of what we do"
    rig.driver.power_on(server, [])
    assert rig.driver.power_state(server) == states.RUNNING


def test_ephemeral_disks_stay_if_they_are_to(rig) -> None:
    flavor = replace(nouns.NANO, ephemeral_gb=1)
    server = rig.boot(nouns.instance_of(rig.image(), flavor))
    if rig.is_fake:
        _rebuilt(rig, server, "OTHER", keep_ephemeral=True)
        return
    disk = rig.folder / "instances" / server.uuid / "disk.eph0"
    _mark(disk)
    _rebuilt(rig, server, "OTHER", keep_ephemeral=True)
    assert _is_marked(disk)
    _rebuilt(rig, server, "OTHER")
    assert disk.exists() and not _is_marked(disk)


def _mark(disk: Path) -> None:
    with disk.open("r+b") as file:
        file.seek(_SPOT)
        file.write(_WORD)


def _is_marked(disk: Path) -> bool:
    with disk.open("rb") as file:
        file.seek(_SPOT)
        return file.read(len(_WORD)) == _WORD


def test_clearing_what_is_not_there_is_fine(rig) -> None:
    server = rig.boot()
    for _ in range(2):
        rig.driver.clear(server, keep_ephemeral=False)
    assert rig.driver.power_state(server) == states.NOSTATE
