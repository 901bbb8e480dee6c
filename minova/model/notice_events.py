"""Which notifications an action of model.states sends, and when: the events are Nova's.

An action is told by what is written of it (`db.notices`): that it begins, that
it enters a task_state, that a host is found for it, that it ends. What Nova has
no event for is not told but by instance.update.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

Events = tuple[str, ...]


@dataclass(frozen=True)
class Told:
    """One row. `passes`: by the task_state entered; `ends_in`: by the vm_state it ends in, instead
    of `ends`; `placed`: when a host is found; `unplaced`: when it failed for want of one, instead
    of `fails`.
    """

    begins: Events = ()
    ends: Events = ()
    fails: Events = ()
    passes: Mapping[str, Events] = field(default_factory=dict)
    ends_in: Mapping[str, Events] = field(default_factory=dict)
    placed: Events = ()
    unplaced: Events = ()

    @property
    def every(self) -> set[str]:
        """All that it may send."""
        found = {*self.begins, *self.ends, *self.fails, *self.placed, *self.unplaced}
        for events in (*self.passes.values(), *self.ends_in.values()):
            found.update(events)
        return found


def _phases(name: str, *, errors: bool = False) -> Told:
    return Told(
        begins=(f"instance.{name}.start",),
        ends=(f"instance.{name}.end",),
        fails=(f"instance.{name}.error",) if errors else (),
    )


_DELETE = _phases("delete")
_REBOOT = _phases("reboot", errors=True)
_SNAPSHOT = _phases("snapshot")
_RESIZE = Told(
    placed=("instance.exists", "instance.resize_prep.start", "instance.resize_prep.end"),
    passes={
        "resize_migrating": ("instance.resize.start",),
        "resize_migrated": ("instance.resize.end",),
        "resize_finish": ("instance.resize_finish.start",),
    },
    ends=("instance.resize_finish.end",),
    fails=("instance.resize.error",),
    unplaced=("compute_task.migrate_server.error",),
)
_NOTHING = Told()

TABLE: dict[str, Told] = {
    "create": Told(
        begins=("instance.create.start",),
        ends=("instance.create.end",),
        fails=("instance.create.error",),
        unplaced=("compute_task.build_instances.error", "instance.create.error"),
    ),
    "delete": _DELETE,
    "forceDelete": _DELETE,
    "softDelete": _phases("soft_delete"),
    "restore": _phases("restore"),
    "stop": _phases("power_off"),
    "start": _phases("power_on"),
    "reboot": _REBOOT,
    "reboot_hard": _REBOOT,
    "pause": _phases("pause"),
    "unpause": _phases("unpause"),
    "suspend": _phases("suspend"),
    "resume": _phases("resume"),
    "rescue": Told(
        begins=("instance.rescue.start",), ends=("instance.exists", "instance.rescue.end")
    ),
    "unrescue": _phases("unrescue"),
    "rebuild": Told(
        begins=("instance.rebuild_scheduled", "instance.exists", "instance.rebuild.start"),
        ends=("instance.rebuild.end",),
        fails=("instance.rebuild.error",),
    ),
    "resize": _RESIZE,
    "migrate": _RESIZE,
    "confirmResize": _phases("resize_confirm"),
    "revertResize": Told(
        begins=("instance.resize_revert.start",),
        ends=("instance.exists", "instance.resize_revert.end"),
    ),
    # No host can have a guest that runs, or one of a host that is away: both end at once.
    "live-migration": Told(fails=("compute_task.migrate_server.error",)),
    "evacuate": Told(begins=("instance.evacuate",), fails=("compute_task.rebuild_server.error",)),
    "createImage": _SNAPSHOT,
    "createBackup": _SNAPSHOT,
    "shelve": Told(
        begins=("instance.shelve.start",),
        passes={
            "shelving_offloading": ("instance.shelve.end", "instance.shelve_offload.start"),
        },
        ends=("instance.shelve.end",),
        ends_in={"shelved_offloaded": ("instance.shelve_offload.end",)},
    ),
    "shelveOffload": _phases("shelve_offload"),
    "unshelve": _phases("unshelve"),
    "changePassword": _NOTHING,
    "trigger_crash_dump": _phases("trigger_crash_dump"),
    "lock": Told(begins=("instance.lock",)),
    "unlock": Told(begins=("instance.unlock",)),
    "attach_volume": _phases("volume_attach", errors=True),
    "detach_volume": _phases("volume_detach"),
    "swap_volume": _NOTHING,
    "attach_interface": _phases("interface_attach", errors=True),
    "detach_interface": _phases("interface_detach"),
    "update_metadata": _NOTHING,
    "addSecurityGroup": _NOTHING,
    "removeSecurityGroup": _NOTHING,
    "resetState": _NOTHING,
    "console_output": _NOTHING,
    "remote_console": _NOTHING,
}
# Who sends what is not sent by the nova-compute of the server's host.
SENDERS = {
    "instance.lock": "nova-api",
    "instance.unlock": "nova-api",
    "instance.evacuate": "nova-api",
    "instance.rebuild_scheduled": "nova-conductor",
}


def of(action: str) -> Told:
    """What an action sends; nothing of one that the table does not know."""
    return TABLE.get(action, _NOTHING)


def sender(event: str) -> str:
    """The program in whose name an event is sent."""
    if event.startswith("compute_task."):
        return "nova-conductor"
    return SENDERS.get(event, "nova-compute")
