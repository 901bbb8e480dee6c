"""The table of statuses makes sense as a whole."""

from minova.companions.volume import states

STATUSES = {
    value for name, value in vars(states).items() if name.isupper() and isinstance(value, str)
}


def test_every_change_is_between_known_statuses():
    for change in states.CHANGES.values():
        assert {*change.before, change.after} <= STATUSES, change


def test_an_available_volume_can_reach_in_use_and_come_back():
    reached = {states.AVAILABLE}
    for _ in states.CHANGES:
        reached |= {c.after for c in states.CHANGES.values() if reached & set(c.before)}
    assert {states.RESERVED, states.ATTACHING, states.IN_USE, states.DETACHING} <= reached


def test_what_is_in_use_can_be_neither_deleted_nor_extended():
    for name in ("delete", "extend", "upload"):
        before = set(states.CHANGES[name].before)
        assert not before & {states.RESERVED, states.ATTACHING, states.IN_USE, states.DETACHING}


def test_an_admin_cannot_set_what_would_be_done_at_the_next_start():
    work = {states.DOWNLOADING, states.DELETING, states.EXTENDING, states.UPLOADING}
    assert not work & set(states.SETTABLE)
