"""The one table of states and actions.

A row of `ACTIONS` says from which vm_states and task_states an action may
begin, the task_state while it runs, and the vm_state it leaves on success
and on failure. `db.states` moves an instance along a row: `begin` is a
compare-and-swap, `finish` and `fail` write state and fault in one
transaction. Nothing else in minova decides whether an action is allowed.

Source: the states of nova 34, by the compute API reference and its
command table.
"""

from collections.abc import Iterable
from dataclasses import dataclass

# vm_state: what the instance is.
BUILDING = "building"
ACTIVE = "active"
PAUSED = "paused"
SUSPENDED = "suspended"
STOPPED = "stopped"
RESCUED = "rescued"
RESIZED = "resized"
SOFT_DELETED = "soft-delete"
DELETED = "deleted"
ERROR = "error"
SHELVED = "shelved"
SHELVED_OFFLOADED = "shelved_offloaded"

VM_STATES = (
    BUILDING,
    ACTIVE,
    PAUSED,
    SUSPENDED,
    STOPPED,
    RESCUED,
    RESIZED,
    SOFT_DELETED,
    DELETED,
    ERROR,
    SHELVED,
    SHELVED_OFFLOADED,
)

# task_state of a launch, in order; None is idle.
SCHEDULING = "scheduling"
NETWORKING = "networking"
BLOCK_DEVICE_MAPPING = "block_device_mapping"
SPAWNING = "spawning"
DELETING = "deleting"
SOFT_DELETING = "soft-deleting"
RESTORING = "restoring"
BUILD_TASKS = (SCHEDULING, None, NETWORKING, BLOCK_DEVICE_MAPPING, SPAWNING)

# power_state: what the hypervisor says.
NOSTATE = 0
RUNNING = 1
POWER_PAUSED = 3
SHUTDOWN = 4
CRASHED = 6
POWER_SUSPENDED = 7


class _AllBut(frozenset[str | None]):
    """The set that holds everything but what it is made of."""

    def __contains__(self, item: object) -> bool:
        return not super().__contains__(item)


ANY: frozenset[str | None] = _AllBut()
IDLE: frozenset[str | None] = frozenset({None})


@dataclass(frozen=True)
class Action:
    """One row. `None` for a state after means: unchanged.

    `tasks` are the task_states passed through while it runs, the first set
    by `begin`; none: the action does not occupy the instance. `launched`,
    `hosted` and `lockable` are the other guards: it must have been launched
    once, have a host, and not be locked (admins pass). `keeps` are the vm_states
    that a success leaves as they are; `otherwise` is where else it may end, as it
    was before. `taken`: the second of the tasks begins when its host takes the work.
    """

    name: str
    vm_states: frozenset[str | None]
    task_states: frozenset[str | None] = IDLE
    tasks: tuple[str, ...] = ()
    success: str | None = None
    failure: str | None = None
    launched: bool = True
    hosted: bool = False
    lockable: bool = True
    keeps: frozenset[str | None] = frozenset()
    otherwise: str | None = None
    taken: bool = False

    def ends(self, vm_state: str) -> str:
        """The vm_state after a success that began in `vm_state`."""
        return vm_state if self.success is None or vm_state in self.keeps else self.success


def _in(*states: str) -> frozenset[str | None]:
    return frozenset(states)


_HARD_REBOOT_FROM: frozenset[str | None] = frozenset(
    {
        None,
        "rebooting",
        "reboot_pending",
        "reboot_started",
        "resuming",
        "rebooting_hard",
        "unpausing",
        "pausing",
        "suspending",
    }
)
_SNAPSHOT_TASKS = (
    "image_snapshot_pending",
    "image_snapshot",
    "image_pending_upload",
    "image_uploading",
)
_RESIZE_TASKS = ("resize_prep", "resize_migrating", "resize_migrated", "resize_finish")
_REBUILD_TASKS = ("rebuilding", "rebuild_block_device_mapping", "rebuild_spawning")
_SHELVE_TASKS = ("shelving", "shelving_image_pending_upload", "shelving_image_uploading")
_SNAPSHOT_FROM = _in(ACTIVE, STOPPED, PAUSED, SUSPENDED)
_VOLUME_FROM = _in(ACTIVE, PAUSED, STOPPED, RESIZED, SOFT_DELETED, SHELVED, SHELVED_OFFLOADED)

ACTIONS: dict[str, Action] = {
    row.name: row
    for row in (
        Action(
            "create",
            _in(BUILDING),
            ANY,
            (SCHEDULING, NETWORKING, BLOCK_DEVICE_MAPPING, SPAWNING),
            success=ACTIVE,
            failure=ERROR,
            launched=False,
        ),
        Action("delete", ANY, ANY, (DELETING,), success=DELETED, failure=ERROR, launched=False),
        Action("softDelete", ANY, ANY, (SOFT_DELETING,), success=SOFT_DELETED, failure=ERROR),
        Action(
            "forceDelete", ANY, ANY, (DELETING,), success=DELETED, failure=ERROR, launched=False
        ),
        Action("restore", _in(SOFT_DELETED), tasks=(RESTORING,), success=ACTIVE, failure=ERROR),
        Action("stop", _in(ACTIVE, ERROR), tasks=("powering-off",), success=STOPPED, hosted=True),
        Action("start", _in(STOPPED), tasks=("powering-on",), success=ACTIVE, hosted=True),
        Action(
            "reboot",
            _in(ACTIVE),
            tasks=("rebooting", "reboot_pending", "reboot_started"),
            success=ACTIVE,
            failure=ERROR,
            taken=True,
        ),
        Action(
            "reboot_hard",
            _in(ACTIVE, STOPPED, PAUSED, SUSPENDED, ERROR),
            _HARD_REBOOT_FROM,
            ("rebooting_hard", "reboot_pending_hard", "reboot_started_hard"),
            success=ACTIVE,
            failure=ERROR,
            taken=True,
        ),
        Action("pause", _in(ACTIVE), tasks=("pausing",), success=PAUSED),
        Action("unpause", _in(PAUSED), tasks=("unpausing",), success=ACTIVE),
        Action("suspend", _in(ACTIVE), tasks=("suspending",), success=SUSPENDED),
        Action("resume", _in(SUSPENDED), tasks=("resuming",), success=ACTIVE, failure=ERROR),
        Action(
            "rescue",
            _in(ACTIVE, STOPPED, ERROR),
            tasks=("rescuing",),
            success=RESCUED,
            failure=ERROR,
        ),
        Action("unrescue", _in(RESCUED), tasks=("unrescuing",), success=ACTIVE, failure=ERROR),
        Action(
            "rebuild",
            _in(ACTIVE, STOPPED, ERROR),
            tasks=_REBUILD_TASKS,
            success=ACTIVE,
            failure=ERROR,
            keeps=_in(STOPPED),
        ),
        Action("resize", _in(ACTIVE, STOPPED), tasks=_RESIZE_TASKS, success=RESIZED, failure=ERROR),
        Action(
            "migrate", _in(ACTIVE, STOPPED), tasks=_RESIZE_TASKS, success=RESIZED, failure=ERROR
        ),
        Action("confirmResize", _in(RESIZED), success=ACTIVE, failure=ERROR, otherwise=STOPPED),
        Action(
            "revertResize",
            _in(RESIZED),
            tasks=("resize_reverting",),
            success=ACTIVE,
            failure=ERROR,
            otherwise=STOPPED,
        ),
        Action("live-migration", _in(ACTIVE, PAUSED), tasks=("migrating",), failure=ERROR),
        Action(
            "evacuate",
            _in(ACTIVE, STOPPED, ERROR),
            ANY,
            _REBUILD_TASKS,
            success=ACTIVE,
            failure=ERROR,
            lockable=False,
        ),
        Action("createImage", _SNAPSHOT_FROM, tasks=_SNAPSHOT_TASKS, lockable=False, taken=True),
        Action(
            "createBackup",
            _SNAPSHOT_FROM,
            tasks=("image_backup", "image_pending_upload", "image_uploading"),
            lockable=False,
        ),
        Action(
            "shelve",
            _SNAPSHOT_FROM,
            tasks=(*_SHELVE_TASKS, "shelving_offloading"),
            success=SHELVED,
            failure=ERROR,
        ),
        Action(
            "shelveOffload", _in(SHELVED), tasks=("shelving_offloading",), success=SHELVED_OFFLOADED
        ),
        Action(
            "unshelve",
            _in(SHELVED, SHELVED_OFFLOADED),
            tasks=("unshelving", SPAWNING),
            success=ACTIVE,
        ),
        Action("changePassword", _in(ACTIVE), tasks=("updating_password",)),
        Action("trigger_crash_dump", _in(ACTIVE, PAUSED, RESCUED, RESIZED, ERROR), hosted=True),
        Action("lock", ANY, ANY, launched=False, lockable=False),
        Action("unlock", ANY, ANY, launched=False, lockable=False),
        Action("attach_volume", _VOLUME_FROM),
        Action("detach_volume", _VOLUME_FROM),
        Action("swap_volume", _in(ACTIVE, PAUSED, RESIZED)),
        Action("attach_interface", _in(ACTIVE, PAUSED, STOPPED)),
        Action("detach_interface", _in(ACTIVE, PAUSED, STOPPED)),
        Action("update_metadata", _in(ACTIVE, PAUSED, SUSPENDED, STOPPED), ANY),
        Action("addSecurityGroup", ANY, ANY, lockable=False),
        Action("removeSecurityGroup", ANY, ANY, lockable=False),
        Action("resetState", ANY, ANY, launched=False, lockable=False),
        Action("console_output", ANY, ANY, launched=False, hosted=True, lockable=False),
        Action(
            "remote_console",
            ANY,
            _AllBut({DELETING, "migrating"}),
            launched=False,
            hosted=True,
            lockable=False,
        ),
    )
}

# (vm_state, power_state) -> vm_state: where an idle instance goes when its guest is seen in a
# power state that no action of ours brought it to. Any other pair leaves the vm_state alone.
SEEN: dict[tuple[str, int], str] = {
    (ACTIVE, SHUTDOWN): STOPPED,
    (ACTIVE, CRASHED): STOPPED,
    (ACTIVE, POWER_PAUSED): PAUSED,
    (ACTIVE, POWER_SUSPENDED): SUSPENDED,
    (PAUSED, RUNNING): ACTIVE,
    (PAUSED, SHUTDOWN): STOPPED,
    (PAUSED, CRASHED): STOPPED,
    (PAUSED, POWER_SUSPENDED): SUSPENDED,
    (SUSPENDED, RUNNING): ACTIVE,
    (SUSPENDED, POWER_PAUSED): PAUSED,
    (STOPPED, RUNNING): ACTIVE,
    (STOPPED, POWER_PAUSED): PAUSED,
}

# API status of (vm_state, task_state); the task_state None is the default.
_Row = dict[str | None, str]
_REBOOT: _Row = dict.fromkeys(("rebooting", "reboot_pending", "reboot_started"), "REBOOT")
_REBOOT_HARD: _Row = dict.fromkeys(
    ("rebooting_hard", "reboot_pending_hard", "reboot_started_hard"), "HARD_REBOOT"
)
_REBUILD: _Row = dict.fromkeys(_REBUILD_TASKS, "REBUILD")
_RESIZE: _Row = dict.fromkeys(_RESIZE_TASKS, "RESIZE")
STATUS: dict[str, _Row] = {
    ACTIVE: {
        None: "ACTIVE",
        **_REBOOT,
        **_REBOOT_HARD,
        **_REBUILD,
        **_RESIZE,
        "updating_password": "PASSWORD",
        "migrating": "MIGRATING",
    },
    BUILDING: {None: "BUILD"},
    STOPPED: {None: "SHUTOFF", **_RESIZE, **_REBUILD},
    RESIZED: {None: "VERIFY_RESIZE", "resize_reverting": "REVERT_RESIZE"},
    PAUSED: {None: "PAUSED", "migrating": "MIGRATING"},
    SUSPENDED: {None: "SUSPENDED"},
    RESCUED: {None: "RESCUE"},
    ERROR: {None: "ERROR", **_REBUILD},
    DELETED: {None: "DELETED"},
    SOFT_DELETED: {None: "SOFT_DELETED"},
    SHELVED: {None: "SHELVED"},
    SHELVED_OFFLOADED: {None: "SHELVED_OFFLOADED"},
}


def status_of(vm_state: str, task_state: str | None) -> str:
    """The `status` a client sees."""
    row = STATUS.get(vm_state)
    if row is None:
        return "UNKNOWN"
    return row.get(task_state, row[None])


@dataclass(frozen=True)
class StatusFilter:
    """Where a status comes from: the vm_state, and the task_states in or not in `tasks`."""

    vm_state: str
    tasks: tuple[str, ...]
    negated: bool


def states_of(status: str) -> list[StatusFilter]:
    """The reverse of `status_of`, as filters to be or'ed; empty for an unknown status."""
    found = []
    for vm_state, row in STATUS.items():
        named = tuple(str(task) for task, shown in row.items() if task and shown == status)
        if row[None] == status:
            others = tuple(str(t) for t, shown in row.items() if t and shown != status)
            found.append(StatusFilter(vm_state, others, negated=True))
        elif named:
            found.append(StatusFilter(vm_state, named, negated=False))
    return found


def refusal(
    action: Action,
    *,
    uuid: str,
    vm_state: str,
    task_state: str | None,
    launched: bool,
    hosted: bool,
    locked: bool,
    word: str | None = None,
) -> str | None:
    """Why `action` may not begin now, in Nova's words, or None if it may.

    `word` is the action's name as the client said it, when that differs.
    """
    said = word or action.name
    if locked and action.lockable:
        return f"Instance {uuid} is locked"
    wrong: Iterable[tuple[str, object]] = (
        (("vm_state", vm_state),) if vm_state not in action.vm_states else ()
    ) or ((("task_state", task_state),) if task_state not in action.task_states else ())
    for kind, value in wrong:
        return f"Cannot '{said}' instance {uuid} while it is in {kind} {value}"
    if action.launched and not launched:
        return f"Cannot '{said}' instance {uuid} while it is in launched_at None"
    if action.hosted and not hosted:
        return f"Instance {uuid} is not ready"
    return None
