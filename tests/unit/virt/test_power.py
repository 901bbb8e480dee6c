"""Stopping politely, on a guest that is a table."""

import pytest

from minova.model import states
from minova.virt.libvirt import power
from minova.virt.libvirt.watch import Watch


class Guest:
    """Ends at the press number `obeys` of its button, or when its agent is asked."""

    uuid = "a"
    channel = ""
    obeys_inside = False
    asked = 0

    def __init__(self, obeys: int, power_state: int = states.RUNNING) -> None:
        self.state, self.obeys = power_state, obeys
        self.presses = self.kills = 0
        self.watch = Watch(lambda uuid: self.state)
        self.watch._known["a"] = power_state

    def power_state(self) -> int:
        return self.state

    def is_running(self) -> bool:
        return self.state in (states.RUNNING, states.POWER_PAUSED)

    def shutdown(self) -> None:
        self.presses += 1
        if self.presses >= self.obeys:
            self.state = states.SHUTDOWN
            self.watch.touched("a")

    def reboot(self) -> None:
        self.presses += 1
        if self.presses >= self.obeys:
            self.watch.rebooted("a")

    def xml(self, *, live: bool) -> str:
        return f"<domain><devices><channel>{self.channel}</channel></devices></domain>"

    def ask_agent(self, question: object, seconds: int, doing: str) -> None:
        self.asked += 1
        if self.obeys_inside:
            self.state = states.SHUTDOWN
            self.watch.touched("a")

    def kill(self) -> None:
        self.kills += 1
        self.state = states.SHUTDOWN


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power, "_PRESS_AGAIN", 0.02)


def test_a_polite_guest_is_not_killed() -> None:
    guest = Guest(obeys=1)
    power.stop(guest, guest.watch, 5)
    assert (guest.presses, guest.kills) == (1, 0)


def test_a_guest_that_still_boots_gets_the_button_again() -> None:
    guest = Guest(obeys=3)
    power.stop(guest, guest.watch, 5)
    assert (guest.presses, guest.kills) == (3, 0)


def test_a_deaf_guest_is_killed_when_the_time_is_over() -> None:
    guest = Guest(obeys=10**6)
    power.stop(guest, guest.watch, 0.1)
    assert guest.presses >= 2 and guest.kills == 1


@pytest.mark.parametrize("obeys", [1, 10**6])
def test_a_deaf_guest_is_asked_by_its_agent(obeys: int) -> None:
    guest = Guest(obeys=obeys)
    guest.channel, guest.obeys_inside = '<target name="org.qemu.guest_agent.0" />', True
    power.stop(guest, guest.watch, 5)
    assert (guest.asked, guest.kills) == (0 if obeys == 1 else 1, 0)


def test_a_guest_without_an_agent_is_asked_nothing() -> None:
    guest = Guest(obeys=3)
    power.stop(guest, guest.watch, 5)
    assert guest.asked == 0


@pytest.mark.parametrize(("timeout", "state"), [(0, states.RUNNING), (5, states.POWER_PAUSED)])
def test_no_button_without_time_or_for_a_paused_guest(timeout: float, state: int) -> None:
    guest = Guest(obeys=1, power_state=state)
    power.stop(guest, guest.watch, timeout)
    assert (guest.presses, guest.kills) == (0, 1)


def test_a_stopped_guest_is_left_alone() -> None:
    guest = Guest(obeys=1, power_state=states.SHUTDOWN)
    power.stop(guest, guest.watch, 5)
    assert (guest.presses, guest.kills) == (0, 0)


def test_a_soft_reboot_is_done_when_the_guest_was_reset() -> None:
    guest = Guest(obeys=2)
    assert power.soft_reboot(guest, guest.watch, 5)
    assert guest.presses == 2


def test_a_soft_reboot_gives_up_in_time() -> None:
    guest = Guest(obeys=10**6)
    assert not power.soft_reboot(guest, guest.watch, 0.1)
