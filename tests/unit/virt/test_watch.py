"""Events are hints; what compute hears is what has really changed."""

import queue
import threading
from collections.abc import Iterator

import pytest

from minova.model import states
from minova.virt.driver import Lifecycle, LifecycleEvent
from minova.virt.libvirt.watch import Watch

WAIT = 5


class Host:
    """Power states, and a watch on them."""

    def __init__(self) -> None:
        self.power: dict[str, int] = {"a": states.RUNNING}
        self.events: queue.Queue[LifecycleEvent] = queue.Queue()
        self.watch = Watch(lambda uuid: self.power.get(uuid, states.NOSTATE))
        self.watch.start(self.events.put, dict(self.power))

    def change(self, uuid: str, power_state: int) -> None:
        self.power[uuid] = power_state
        self.watch.touched(uuid)

    def heard(self) -> list[LifecycleEvent]:
        """Everything reported so far: a last event of our own marks the end."""
        self.watch._known["end"] = states.NOSTATE
        self.change("end", states.RUNNING)
        found = []
        while (event := self.events.get(timeout=WAIT)).uuid != "end":
            found.append(event)
        return found


@pytest.fixture
def host() -> Iterator[Host]:
    host = Host()
    yield host
    host.watch.stop()


@pytest.mark.parametrize(
    ("power_state", "kind"),
    [
        (states.SHUTDOWN, Lifecycle.STOPPED),
        (states.CRASHED, Lifecycle.CRASHED),
        (states.POWER_PAUSED, Lifecycle.PAUSED),
        (states.NOSTATE, Lifecycle.STOPPED),
    ],
)
def test_a_change_is_told(host: Host, power_state: int, kind: Lifecycle) -> None:
    host.change("a", power_state)
    assert host.heard() == [LifecycleEvent("a", kind, power_state)]


def test_going_on_after_a_pause_is_not_a_start(host: Host) -> None:
    host.change("a", states.POWER_PAUSED)
    assert host.events.get(timeout=WAIT).kind is Lifecycle.PAUSED
    host.change("a", states.RUNNING)
    assert [event.kind for event in host.heard()] == [Lifecycle.RESUMED]


def test_a_late_event_of_something_long_over_is_dropped(host: Host) -> None:
    host.watch.touched("a")
    host.watch.touched("a")
    assert host.heard() == []


def test_domains_of_others_are_none_of_our_business(host: Host) -> None:
    host.change("foreign", states.SHUTDOWN)
    assert host.heard() == []


def test_what_we_do_is_no_news_but_what_follows_is(host: Host) -> None:
    with host.watch.expecting("a", states.SHUTDOWN):
        host.change("a", states.SHUTDOWN)
    assert host.heard() == []
    with host.watch.expecting("a", states.RUNNING):
        host.change("a", states.RUNNING)
        host.change("a", states.SHUTDOWN)  # it ended by itself before we were done
    assert [event.kind for event in host.heard()] == [Lifecycle.STOPPED]


def test_an_operation_that_failed_halfway_is_told(host: Host) -> None:
    with pytest.raises(RuntimeError):
        with host.watch.expecting("a", states.RUNNING):
            host.change("a", states.SHUTDOWN)
            raise RuntimeError
    assert [event.power_state for event in host.heard()] == [states.SHUTDOWN]


def test_what_happened_while_the_connection_was_lost_is_told(host: Host) -> None:
    host.power["a"] = states.SHUTDOWN
    host.watch.connected()
    assert [event.kind for event in host.heard()] == [Lifecycle.STOPPED]


def test_a_handler_that_fails_does_not_end_the_watch(host: Host) -> None:
    calls: list[LifecycleEvent] = []

    def fails(event: LifecycleEvent) -> None:
        calls.append(event)
        raise RuntimeError

    host.watch.stop()
    host.watch.start(fails, {"a": states.RUNNING, "b": states.RUNNING})
    host.power["b"] = states.RUNNING
    host.change("a", states.SHUTDOWN)
    host.change("b", states.SHUTDOWN)
    host.watch.stop()
    assert [event.uuid for event in calls] == ["a", "b"]


def test_waiting_ends_with_the_event(host: Host) -> None:
    timer = threading.Timer(0.05, host.change, ("a", states.SHUTDOWN))
    timer.start()
    assert host.watch.wait("a", lambda: host.power["a"] == states.SHUTDOWN, WAIT)


def test_waiting_ends_with_the_time(host: Host) -> None:
    assert not host.watch.wait("a", lambda: False, 0.05)


def test_resets_are_counted(host: Host) -> None:
    before = host.watch.resets("a")
    host.watch.rebooted("a")
    assert host.watch.resets("a") == before + 1
    host.watch.forget("a")
    assert host.watch.resets("a") == 0
