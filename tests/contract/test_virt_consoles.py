"""Every driver's consoles: a screen and a serial line, opened by no address that others know."""

import os
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from minova.common import errors
from minova.model.console import KINDS, SERIAL, VNC
from minova.model.instance import Instance
from tests.contract.virt_rig import WAIT, Rig

pytest_plugins = ["tests.contract.virt_rig"]


@contextmanager
def opened(rig: Rig, instance: Instance, protocol: str) -> Iterator[int]:
    descriptor = rig.driver.open_console(instance, protocol)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def hear(descriptor: int, word: bytes) -> None:
    said = b""
    while word not in said:
        assert select.select([descriptor], [], [], WAIT)[0], f"no {word!r} in {said!r}"
        part = os.read(descriptor, 4096)
        assert part, f"it ended after {said!r}"
        said += part


def ends(descriptor: int) -> bool:
    """Whether it ends in time, as a socket or a pty does."""
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        if select.select([descriptor], [], [], 0.1)[0]:
            try:
                if not os.read(descriptor, 4096):
                    return True
            except OSError:
                return True
    return False


def test_a_screen_greets_everybody_and_asks_for_no_password(rig: Rig) -> None:
    instance = rig.boot()
    with opened(rig, instance, VNC) as screen, opened(rig, instance, VNC) as another:
        for each in (screen, another):
            hear(each, b"RFB 003.008\n")
            os.write(each, b"RFB 003.008\n")
            hear(each, b"\x01\x01")


def test_what_a_guest_says_is_heard_and_logged(rig: Rig) -> None:
    instance = rig.boot()
    rig.line_count(instance, 1)
    with opened(rig, instance, SERIAL) as line:
        if rig.is_fake:
            os.write(line, b"HELLO\r")
        else:
            rig.host.run("virsh", "reset", instance.domain_name)
        hear(line, b"HELLO")
    word = b"HELLO" if rig.is_fake else b"HELLO\r\nHELLO"
    deadline = time.monotonic() + WAIT
    while word not in rig.driver.console_output(instance).replace(b"\0", b""):
        assert time.monotonic() < deadline, rig.driver.console_output(instance)
        time.sleep(0.02)  # a log file tells nobody when it grows


def test_consoles_end_with_their_guest(rig: Rig) -> None:
    instance = rig.boot()
    with opened(rig, instance, VNC) as screen, opened(rig, instance, SERIAL) as line:
        rig.driver.power_off(instance, 0)
        assert ends(screen) and ends(line)
    for protocol in KINDS:
        with pytest.raises(errors.Conflict, match=f"{instance.uuid} does not run"):
            rig.driver.open_console(instance, protocol)
    rig.driver.destroy(instance)
    for protocol in KINDS:
        with pytest.raises((errors.Conflict, errors.NotFound)):
            rig.driver.open_console(instance, protocol)


def test_no_console_listens_anywhere(rig: Rig) -> None:
    instance = rig.boot()
    if rig.is_fake:
        with opened(rig, instance, VNC) as screen:
            assert socket.socket(fileno=os.dup(screen)).family == socket.AF_UNIX
        return
    assert "LISTEN" not in rig.host.run("ss", "--tcp", "--listening", "--no-header")
    assert "vnc" not in rig.host.run("ss", "--unix", "--listening", "--no-header")
