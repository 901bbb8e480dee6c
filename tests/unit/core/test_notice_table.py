"""Which of Nova's versioned notifications are sent, and which are not, and why."""

from minova.api import notices as api_notices
from minova.compute import notices as compute_notices
from minova.model import notice_events, states
from minova.scheduler import notices as scheduler_notices


def _phases(names: str, *phases: str) -> set[str]:
    return {f"{name}.{phase}" for name in names.split() for phase in phases}


# Nova's whole list (its reference "Available versioned notifications").
NOVA = (
    _phases("aggregate.add_host aggregate.create aggregate.delete", "start", "end")
    | _phases("aggregate.remove_host aggregate.update_metadata", "start", "end")
    | _phases("aggregate.update_prop", "start", "end")
    | _phases("aggregate.cache_images", "start", "progress", "end")
    | {"compute.exception"}
    | _phases("compute_task.build_instances compute_task.migrate_server", "error")
    | _phases("compute_task.rebuild_server", "error")
    | {"flavor.create", "flavor.delete", "flavor.update"}
    | _phases("instance.create instance.reboot instance.rebuild", "start", "end", "error")
    | _phases("instance.resize instance.interface_attach", "start", "end", "error")
    | _phases("instance.volume_attach instance.volume_swap", "start", "end", "error")
    | _phases("instance.delete instance.soft_delete instance.restore", "start", "end")
    | _phases("instance.shutdown instance.power_off instance.power_on", "start", "end")
    | _phases("instance.pause instance.unpause instance.suspend instance.resume", "start", "end")
    | _phases("instance.rescue instance.unrescue instance.snapshot", "start", "end")
    | _phases("instance.resize_prep instance.resize_finish", "start", "end")
    | _phases("instance.resize_confirm instance.resize_revert", "start", "end")
    | _phases("instance.shelve instance.shelve_offload instance.unshelve", "start", "end")
    | _phases("instance.trigger_crash_dump instance.volume_detach", "start", "end")
    | _phases("instance.interface_detach", "start", "end")
    | _phases("instance.live_migration_pre instance.live_migration_abort", "start", "end")
    | _phases("instance.live_migration_post instance.live_migration_post_dest", "start", "end")
    | _phases("instance.live_migration_rollback", "start", "end")
    | _phases("instance.live_migration_rollback_dest", "start", "end")
    | _phases("instance.live_migration_force_complete", "start", "end")
    | _phases("instance.share_attach instance.share_detach", "start", "end", "error")
    | _phases("instance.power_on_share", "start", "end")
    | {"instance.evacuate", "instance.exists", "instance.lock", "instance.rebuild_scheduled"}
    | {"instance.unlock", "instance.update"}
    | _phases("keypair.create keypair.delete keypair.import", "start", "end")
    | {"libvirt.connect.error", "metrics.update"}
    | _phases("scheduler.select_destinations", "start", "end")
    | {"server_group.add_member", "server_group.create", "server_group.delete"}
    | {"service.create", "service.delete", "service.update"}
    | {"volume.usage"}
)
NOT_SENT = {
    "hosts fetch images each for itself, and nobody waits for all": {
        "aggregate.cache_images.progress",
        "aggregate.cache_images.end",
    },
    "a guest that runs goes nowhere: hosts share no storage": {
        event for event in NOVA if event.startswith("instance.live_migration_")
    },
    "a volume is swapped by nobody": {
        event for event in NOVA if event.startswith("instance.volume_swap.")
    },
    "there are no shares": {event for event in NOVA if "share" in event},
    "hosts are not measured": {"metrics.update"},
    "what is read from volumes and written to them is not counted": {"volume.usage"},
}
# Sent where what they tell is written, or found: see db/notices.py and virt/libvirt/notices.py.
ELSEWHERE = {
    "compute.exception",
    "instance.update",
    "libvirt.connect.error",
    "server_group.add_member",
    "service.create",
}


def test_the_table_has_every_action() -> None:
    assert set(notice_events.TABLE) == set(states.ACTIONS)


def test_a_step_that_is_told_is_a_task_state_of_its_action() -> None:
    for action, told in notice_events.TABLE.items():
        assert set(told.passes) <= set(states.ACTIONS[action].tasks), action
        assert set(told.ends_in) <= set(states.VM_STATES), action


def test_all_of_novas_notifications_are_sent_but_for_those_with_a_reason() -> None:
    sent = set(ELSEWHERE) | set(compute_notices.SHUTDOWN) | set(scheduler_notices.EVENTS)
    for told in notice_events.TABLE.values():
        sent |= told.every
    for row in api_notices.TABLE.values():
        sent |= row.every
    unsent = set().union(*NOT_SENT.values())
    assert sent - NOVA == set(), "Nova has none of these"
    assert unsent - NOVA == set()
    assert NOVA - sent == unsent


def test_every_sender_is_of_an_event_that_is_sent() -> None:
    every = set().union(*(told.every for told in notice_events.TABLE.values()))
    assert set(notice_events.SENDERS) <= every
