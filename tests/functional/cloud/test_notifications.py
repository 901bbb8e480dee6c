"""Who listens at the broker hears of all that is done: five programs tell it together."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cloud import Cloud
from tests.configuration import configure
from tests.ear import Ear, Heard, listening
from tests.nova import Nova

PROFILES = ("mariadb",)
PLACED = ["scheduler.select_destinations.end", "scheduler.select_destinations.start"]


@pytest.fixture
def ear(cloud: Cloud, nova: Nova) -> Iterator[Ear]:
    configure()
    compute = nova.connections["admin"].compute
    with listening("versioned_notifications", cloud.transport) as heard:
        # The broker has kept all since the cloud began.
        mark = compute.create_flavor(name=f"mark-{uuid.uuid4()}", ram=1, vcpus=1, disk=1)
        heard.forget_until(mark.name)
        yield heard
        compute.delete_flavor(mark)


def phases(*names: str) -> list[str]:
    """The .start and .end of these events of a server."""
    return [f"instance.{name}.{phase}" for name in names for phase in ("start", "end")]


def hears(ear: Ear, expected: list[str]) -> dict[str, dict[str, Any]]:
    """Exactly these events come next, in whatever order; their payloads."""
    heard: list[Heard] = ear.news(len(expected))
    assert [event for event, _, _ in heard] == sorted(expected)
    for event, priority, payload in heard:
        assert priority == ("ERROR" if event.endswith((".error", "exception")) else "INFO")
        assert payload["nova_object.namespace"] == "nova"
        assert payload["nova_object.changes"] == sorted(payload["nova_object.data"])
        assert "gAAAA" not in json.dumps(payload), "a token"
    return {event: payload for event, _, payload in heard}


def named(payload: dict[str, Any]) -> str:
    return f"{payload['nova_object.name']} {payload['nova_object.version']}"


def data(payload: dict[str, Any]) -> dict[str, Any]:
    return dict(payload["nova_object.data"])


# Action, its value, and what is heard of it.
WALK: list[tuple[str, Any, list[str]]] = [
    ("os-stop", None, phases("power_off")),
    ("os-start", None, phases("power_on")),
    ("reboot", {"type": "SOFT"}, phases("reboot")),
    ("pause", None, phases("pause")),
    ("unpause", None, phases("unpause")),
    ("suspend", None, phases("suspend")),
    ("resume", None, phases("resume")),
    ("lock", {"locked_reason": "mine"}, ["instance.lock"]),
    ("unlock", None, ["instance.unlock"]),
    ("rescue", {}, [*phases("rescue"), "instance.exists"]),
    ("unrescue", None, phases("unrescue")),
    ("trigger_crash_dump", None, phases("trigger_crash_dump")),
    ("createImage", {"name": "copy"}, phases("snapshot")),
    (
        "rebuild",
        {"imageRef": "IMAGE"},
        ["instance.rebuild_scheduled", "instance.exists", *phases("rebuild")],
    ),
    (
        "resize",
        {"flavorRef": "LARGER"},
        [*PLACED, "instance.exists", *phases("resize_prep", "resize", "resize_finish")],
    ),
    ("revertResize", None, [*phases("resize_revert"), "instance.exists"]),
    (
        "resize",
        {"flavorRef": "LARGER"},
        [*PLACED, "instance.exists", *phases("resize_prep", "resize", "resize_finish")],
    ),
    ("confirmResize", None, phases("resize_confirm")),
    ("shelve", None, phases("shelve", "shelve_offload")),
    ("unshelve", None, [*PLACED, *phases("unshelve")]),
]


def test_every_action_is_heard_of_at_the_broker(cloud: Cloud, nova: Nova, ear: Ear) -> None:
    compute = nova.connections["admin"].compute
    larger = compute.create_flavor(name="told-of", ram=96, vcpus=1, disk=1)
    assert named(hears(ear, ["flavor.create"])["flavor.create"]) == "FlavorPayload 1.4"
    names = {"IMAGE": nova.image, "LARGER": larger.id}
    server_id = nova.launch(name="heard", networks="none")
    heard = hears(ear, [*PLACED, *phases("create")])
    assert named(heard["instance.create.end"]) == "InstanceCreatePayload 1.13"
    sought = heard["scheduler.select_destinations.start"]
    assert named(sought) == "RequestSpecPayload 1.1"
    assert data(sought)["instance_uuid"] == server_id
    for action, value, events in WALK:
        asked = {k: names.get(v, v) for k, v in value.items()} if value else value
        answer = nova.act(server_id, action, asked)
        assert answer.status_code in (200, 202, 204), answer.text
        nova.settled(server_id)
        heard |= hears(ear, events)
        if answer.content and "adminPass" in answer.json():
            assert answer.json()["adminPass"] not in json.dumps(heard)
    assert data(heard["instance.lock"])["locked_reason"] == "mine"
    assert named(heard["instance.rescue.start"]) == "InstanceActionRescuePayload 1.4"
    assert data(heard["instance.rescue.start"])["rescue_image_ref"] == nova.image
    copy = nova.connections["demo"].image.find_image("copy")
    assert named(heard["instance.snapshot.end"]) == "InstanceActionSnapshotPayload 1.10"
    assert data(heard["instance.snapshot.end"])["snapshot_image_id"] == copy.id
    assert named(heard["instance.rebuild.start"]) == "InstanceActionRebuildPayload 1.10"
    assert named(heard["instance.rebuild_scheduled"]) == "InstanceActionRebuildPayload 1.10"
    prepared = heard["instance.resize_prep.start"]
    assert named(prepared) == "InstanceActionResizePrepPayload 1.4"
    assert data(data(prepared)["new_flavor"])["name"] == "told-of"
    assert data(data(prepared)["flavor"])["name"] == "m1.nano"
    existing = heard["instance.exists"]
    assert named(existing) == "InstanceExistsPayload 2.1"
    assert named(data(existing)["audit_period"]) == "AuditPeriodPayload 1.0"
    assert named(heard["instance.resize.end"]) == "InstanceActionPayload 1.9"
    nova.delete(server_id)
    hears(ear, phases("delete", "shutdown"))
    nova.connections["demo"].image.delete_image(copy)
    compute.delete_flavor(larger)
    hears(ear, ["flavor.delete"])


def test_devices_and_failures_are_heard_of(cloud: Cloud, nova: Nova, ear: Ear) -> None:
    compute, storage = nova.connections["admin"].compute, nova.connections["demo"].block_storage
    server_id = nova.launch(name="plugged")
    hears(ear, [*PLACED, *phases("create")])
    volume = storage.create_volume(size=1, name="told-of")
    storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    path = f"/servers/{server_id}/os-volume_attachments"
    asked = {"volumeAttachment": {"volumeId": volume.id}}
    assert nova.call("POST", path, asked).status_code == 200
    attached = hears(ear, phases("volume_attach"))["instance.volume_attach.end"]
    assert named(attached) == "InstanceActionVolumePayload 1.7"
    assert data(attached)["volume_id"] == volume.id
    assert nova.call("DELETE", f"{path}/{volume.id}").status_code == 202
    gone = hears(ear, phases("volume_detach"))["instance.volume_detach.end"]
    assert data(gone)["volume_id"] == volume.id
    storage.delete_volume(volume)
    path = f"/servers/{server_id}/os-interface"
    asked = {"interfaceAttachment": {"net_id": nova.network}}
    answer = nova.call("POST", path, asked)
    assert answer.status_code == 200, answer.text
    hears(ear, phases("interface_attach"))
    port = answer.json()["interfaceAttachment"]["port_id"]
    assert nova.call("DELETE", f"{path}/{port}").status_code == 202
    hears(ear, phases("interface_detach"))
    assert nova.call("PUT", f"/servers/{server_id}/tags/blue").status_code == 201
    told = hears(ear, ["instance.update"])["instance.update"]
    assert (named(told), data(told)["tags"]) == ("InstanceUpdatePayload 2.1", ["blue"])
    huge = compute.create_flavor(name="huge", ram=10**8, vcpus=1, disk=1)
    hears(ear, ["flavor.create"])
    quota = f"/os-quota-sets/{nova.project}"
    assert nova.call("PUT", quota, {"quota_set": {"ram": -1}}, user="admin").status_code == 200
    assert nova.act(server_id, "resize", {"flavorRef": huge.id}).status_code == 202
    assert nova.settled(server_id)["status"] == "ACTIVE"
    heard = hears(ear, [PLACED[1], "compute_task.migrate_server.error"])
    refused = heard["compute_task.migrate_server.error"]
    assert named(refused) == "ComputeTaskPayload 1.0"
    assert data(refused)["instance_uuid"] == server_id
    assert "No valid host" in data(data(refused)["reason"])["exception_message"]
    nova.delete(server_id)
    hears(ear, phases("delete", "shutdown"))
    answer = nova.call("POST", "/servers", nova.request(flavorRef=huge.id, networks="none"))
    lost = answer.json()["server"]["id"]
    assert nova.settled(lost)["status"] == "ERROR"
    failures = ["compute_task.build_instances.error", "instance.create.error"]
    hears(ear, ["instance.create.start", PLACED[1], *failures])
    nova.delete(lost)
    hears(ear, phases("delete"))
    assert nova.call("DELETE", quota, user="admin").status_code == 202
    compute.delete_flavor(huge)
    hears(ear, ["flavor.delete"])


def test_a_server_that_joins_a_group_is_heard_of(nova: Nova, ear: Ear) -> None:
    wanted = {"server_group": {"name": "told-of", "policy": "affinity"}}
    group = nova.call("POST", "/os-server-groups", wanted).json()["server_group"]["id"]
    hears(ear, ["server_group.create"])
    hint = {"os:scheduler_hints": {"group": group}}
    server_id = nova.launch_body(nova.request(networks="none") | hint)
    heard = hears(ear, ["server_group.add_member", *PLACED, *phases("create")])
    joined = heard["server_group.add_member"]
    assert named(joined) == "ServerGroupPayload 1.1"
    assert (data(joined)["uuid"], data(joined)["members"]) == (group, [server_id])
    nova.delete(server_id)
    hears(ear, phases("delete", "shutdown"))
    assert nova.call("DELETE", f"/os-server-groups/{group}").status_code == 204
    hears(ear, ["server_group.delete"])


def test_every_host_audits_the_usage_of_the_last_hour(nova: Nova) -> None:
    path = "/os-instance_usage_audit_log"

    def log() -> dict[str, Any]:
        return dict(nova.get(path, user="admin")["instance_usage_audit_logs"])

    nova.until(lambda: log()["overall_status"] == "ALL hosts done. 0 errors.", "it is done")
    done = log()
    assert (done["num_hosts_done"], done["hosts_not_run"]) == (1, [])
    assert done["log"]["host-1"]["state"] == "DONE"
    assert done["log"]["host-1"]["message"].startswith("Instance usage audit ran for host host-1")
