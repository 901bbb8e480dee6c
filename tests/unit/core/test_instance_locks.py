"""What takes a server over tells all that is being done to it, and nothing that comes later."""

from minova.compute.manager import InstanceLocks


def test_each_action_has_a_word_of_its_own() -> None:
    locks = InstanceLocks()
    running, waiting, other = locks.announce("a"), locks.announce("a"), locks.announce("b")
    locks.cancel("a")
    assert (running.is_set(), waiting.is_set(), other.is_set()) == (True, True, False)
    later = locks.announce("a")
    assert not later.is_set(), "a soft delete would not stop the guest it has taken over"
    locks.forget("a", running)
    locks.cancel("a")
    assert later.is_set(), "a delete would wait for a soft delete"


def test_nothing_is_kept_of_what_has_ended() -> None:
    locks = InstanceLocks()
    event = locks.announce("a")
    with locks.hold("a"):
        assert locks.is_held("a")
    locks.forget("a", event)
    locks.cancel("a")
    assert not event.is_set()
    assert (locks._announced, locks._locks) == ({}, {})
