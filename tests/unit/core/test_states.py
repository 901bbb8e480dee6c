"""The table of states says what Nova's documents say, and contradicts itself nowhere."""

import itertools

import pytest

from minova.model import states
from minova.model.states import ACTIONS, ANY, STATUS, VM_STATES, refusal

TASKS = sorted({task for action in ACTIONS.values() for task in action.tasks})


def refuse(action: str, vm_state: str, task: str | None = None, **options: bool) -> str | None:
    values = {"launched": True, "hosted": True, "locked": False} | options
    return refusal(ACTIONS[action], uuid="U", vm_state=vm_state, task_state=task, **values)


def test_every_row_speaks_of_known_states() -> None:
    for action in ACTIONS.values():
        if action.vm_states is not ANY:
            assert action.vm_states <= set(VM_STATES), action.name
        assert action.success is None or action.success in VM_STATES
        assert action.failure is None or action.failure in VM_STATES
        assert len(set(action.tasks)) == len(action.tasks)


def test_a_server_can_be_deleted_from_every_state() -> None:
    for vm_state, task in itertools.product(VM_STATES, [None, *TASKS]):
        assert refuse("delete", vm_state, task, launched=False, hosted=False) is None


@pytest.mark.parametrize(
    ("action", "vm_state", "task", "words"),
    [
        ("stop", "stopped", None, "Cannot 'stop' instance U while it is in vm_state stopped"),
        (
            "stop",
            "active",
            "rebooting",
            "Cannot 'stop' instance U while it is in task_state rebooting",
        ),
        ("reboot", "error", None, "Cannot 'reboot' instance U while it is in vm_state error"),
        ("start", "active", None, "Cannot 'start' instance U while it is in vm_state active"),
    ],
)
def test_a_refusal_is_in_novas_words(
    action: str, vm_state: str, task: str | None, words: str
) -> None:
    assert refuse(action, vm_state, task) == words


def test_a_server_never_launched_is_not_rebooted() -> None:
    said = refuse("reboot_hard", "error", launched=False)
    assert said == "Cannot 'reboot_hard' instance U while it is in launched_at None"


def test_a_locked_server_is_only_looked_at() -> None:
    assert refuse("stop", "active", locked=True) == "Instance U is locked"
    assert refuse("console_output", "active", locked=True) is None


@pytest.mark.parametrize(
    ("vm_state", "task", "status"),
    [
        ("active", None, "ACTIVE"),
        ("active", "rebooting", "REBOOT"),
        ("active", "reboot_started_hard", "HARD_REBOOT"),
        ("active", "deleting", "ACTIVE"),
        ("building", "spawning", "BUILD"),
        ("stopped", "resize_prep", "RESIZE"),
        ("resized", "resize_reverting", "REVERT_RESIZE"),
        ("error", "rebuilding", "REBUILD"),
        ("soft-delete", None, "SOFT_DELETED"),
        ("nonsense", None, "UNKNOWN"),
    ],
)
def test_clients_see_novas_status(vm_state: str, task: str | None, status: str) -> None:
    assert states.status_of(vm_state, task) == status


def test_a_status_filter_finds_exactly_the_servers_that_show_it() -> None:
    shown = {status for row in STATUS.values() for status in row.values()}
    for status in shown:
        filters = states.states_of(status)
        for vm_state, task in itertools.product(VM_STATES, [None, *TASKS]):
            matches = any(
                f.vm_state == vm_state and (task in f.tasks) != f.negated for f in filters
            )
            assert matches == (states.status_of(vm_state, task) == status), (status, vm_state, task)


def test_an_unknown_status_matches_nothing() -> None:
    assert states.states_of("FLYING") == []
