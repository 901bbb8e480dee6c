"""Actions on servers: done when the state allows, refused in nova's words when not."""

import sqlite3
import time
import uuid

import pytest

from minova.api.actions import LATER

NOBODY = str(uuid.uuid4())


@pytest.fixture
def server(nova):
    server_id = nova.launch(name="acted-on")
    yield server_id
    nova.delete(server_id)


def test_a_server_stops_starts_and_reboots(nova, server) -> None:
    assert nova.act(server, "os-stop").status_code == 202
    assert nova.settled(server)["OS-EXT-STS:power_state"] == 4
    refusal = nova.act(server, "os-stop")
    assert refusal.status_code == 409
    assert refusal.json()["conflictingRequest"]["message"] == (
        f"Cannot 'stop' instance {server} while it is in vm_state stopped"
    )
    assert nova.act(server, "reboot", {"type": "SOFT"}).status_code == 409
    assert nova.act(server, "os-start").status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"
    for kind in ("SOFT", "hard"):
        assert nova.act(server, "reboot", {"type": kind}).status_code == 202
        assert nova.settled(server)["status"] == "ACTIVE"
    done = [
        a["action"] for a in nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    ]
    assert done == ["reboot", "reboot", "start", "stop", "create"]


def test_the_console_shows_what_the_guest_wrote(nova, server) -> None:
    whole = nova.act(server, "os-getConsoleOutput", {}).json()["output"]
    assert "ready" in whole
    last = nova.act(server, "os-getConsoleOutput", {"length": 2}).json()["output"]
    assert len(last.split("\n")) == 2 and "ready" in last
    assert nova.act(server, "os-getConsoleOutput", {"length": "x"}).status_code == 400


def test_a_locked_server_stays_as_it_is_until_unlocked(nova, server) -> None:
    assert nova.act(server, "lock", {"locked_reason": "demo day"}).status_code == 202
    shown = nova.get(f"/servers/{server}")["server"]
    assert (shown["locked"], shown["locked_reason"]) == (True, "demo day")
    for answer in (nova.act(server, "os-stop"), nova.call("DELETE", f"/servers/{server}")):
        assert answer.status_code == 409
        message = answer.json()["conflictingRequest"]["message"]
        assert message == f"Instance {server} is locked"
    assert nova.act(server, "reboot", {"type": "HARD"}, user="admin").status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"
    assert nova.act(server, "unlock").status_code == 202
    assert nova.get(f"/servers/{server}")["server"]["locked"] is False
    done = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [action["action"] for action in done] == ["unlock", "reboot", "lock", "create"]


def test_an_owner_cannot_undo_an_admins_lock(nova, server) -> None:
    assert nova.act(server, "lock", user="admin").status_code == 202
    assert nova.act(server, "unlock").status_code == 403
    assert nova.act(server, "unlock", user="admin").status_code == 202


def test_an_admin_resets_a_state(nova, server) -> None:
    assert nova.act(server, "os-resetState", {"state": "error"}).status_code == 403
    assert nova.act(server, "os-resetState", {"state": "error"}, user="admin").status_code == 202
    assert nova.get(f"/servers/{server}")["server"]["status"] == "ERROR"
    newest = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"][0]
    assert newest["action"] == "resetState"
    assert nova.act(server, "reboot", {"type": "HARD"}).status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"


def test_networks_are_injected_without_a_word_and_reset_no_more(nova, server) -> None:
    assert nova.act(server, "injectNetworkInfo", user="admin").status_code == 202
    assert nova.act(server, "injectNetworkInfo").status_code == 403
    assert nova.act(server, "resetNetwork", user="admin").status_code == 410


def test_a_server_without_security_groups_shows_none(nova, server) -> None:
    assert nova.act(server, "removeSecurityGroup", {"name": "default"}).status_code == 202
    assert "security_groups" not in nova.get(f"/servers/{server}")["server"]
    assert nova.act(server, "addSecurityGroup", {"name": "default"}).status_code == 202
    assert nova.get(f"/servers/{server}")["server"]["security_groups"] == [{"name": "default"}]


def test_security_groups_come_and_go(nova, server) -> None:
    demo = nova.connections["demo"]
    group = demo.network.create_security_group(name="extra")
    assert nova.act(server, "addSecurityGroup", {"name": "extra"}).status_code == 202
    shown = nova.get(f"/servers/{server}")["server"]["security_groups"]
    assert sorted(g["name"] for g in shown) == ["default", "extra"]
    assert nova.act(server, "removeSecurityGroup", {"name": group.id}).status_code == 202
    assert nova.get(f"/servers/{server}")["server"]["security_groups"] == [{"name": "default"}]
    assert nova.act(server, "removeSecurityGroup", {"name": "extra"}).status_code == 404
    assert nova.act(server, "addSecurityGroup", {"name": "nope"}).status_code == 404
    demo.network.delete_security_group(group)


def test_unknown_and_later_actions_are_told_apart(nova, server) -> None:
    assert nova.act(server, "explode").json()["badRequest"]["message"] == (
        "There is no such action: explode"
    )
    for name in LATER:
        refusal = nova.refused(501, "POST", f"/servers/{server}/action", {name: None})
        assert refusal == f"The server action {name} is not supported on this cloud."
    for body in ({}, [], {"os-start": None, "os-stop": None}):
        nova.refused(400, "POST", f"/servers/{server}/action", body)


def test_deleting_twice_is_as_good_as_once(nova) -> None:
    body = nova.request(name="short-lived")
    server_id = nova.call("POST", "/servers", body).json()["server"]["id"]
    answers = {nova.call("DELETE", f"/servers/{server_id}").status_code for _ in range(3)}
    assert answers <= {204, 404} and 204 in answers
    deadline = time.monotonic() + 30
    while nova.call("GET", f"/servers/{server_id}").status_code != 404:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ports = nova.connections["demo"].network.ports(device_id=server_id)
    assert list(ports) == []


def test_a_volume_is_attached_shown_and_detached(nova, server) -> None:
    demo = nova.connections["demo"]
    volume = demo.block_storage.create_volume(size=1, name="data")
    demo.block_storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    path = f"/servers/{server}/os-volume_attachments"
    answer = nova.call("POST", path, {"volumeAttachment": {"volumeId": volume.id, "tag": "db"}})
    assert answer.status_code == 200
    attached = answer.json()["volumeAttachment"]
    assert (attached["device"], attached["serverId"]) == ("/dev/vdb", server)
    demo.block_storage.wait_for_status(volume, "in-use", interval=0.1, wait=30)
    (listed,) = nova.get(path)["volumeAttachments"]
    assert listed == nova.get(f"{path}/{volume.id}")["volumeAttachment"]
    assert listed["volumeId"] == volume.id and listed["tag"] == "db" and "id" not in listed
    shown = nova.get(f"/servers/{server}")["server"]["os-extended-volumes:volumes_attached"]
    assert shown == [{"id": volume.id, "delete_on_termination": False}]
    again = nova.call("POST", path, {"volumeAttachment": {"volumeId": volume.id}})
    assert again.status_code == 400
    update = {"volumeAttachment": {"volumeId": volume.id, "delete_on_termination": True}}
    assert nova.call("PUT", f"{path}/{volume.id}", update).status_code == 202
    assert nova.get(f"{path}/{volume.id}")["volumeAttachment"]["delete_on_termination"] is True
    assert nova.call("DELETE", f"{path}/{volume.id}").status_code == 202
    demo.block_storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    nova.refused(404, "GET", f"{path}/{volume.id}")
    nova.refused(404, "DELETE", f"{path}/{volume.id}")
    demo.block_storage.delete_volume(volume)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"volumeAttachment": {"volumeId": NOBODY}}, 404),
        ({"volumeAttachment": {"volumeId": "x"}}, 400),
        ({"volumeAttachment": {}}, 400),
        ({"volumeAttachment": {"volumeId": NOBODY, "device": "../x"}}, 400),
        ({}, 400),
    ],
)
def test_an_attachment_is_refused_and_leaves_nothing(nova, server, body, status) -> None:
    nova.refused(status, "POST", f"/servers/{server}/os-volume_attachments", body)
    assert nova.get(f"/servers/{server}/os-volume_attachments") == {"volumeAttachments": []}


def test_a_server_boots_from_a_volume_that_goes_with_it(nova) -> None:
    demo = nova.connections["demo"]
    volume = demo.block_storage.create_volume(size=1, name="root", image_id=nova.image)
    demo.block_storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    root = {
        "uuid": volume.id,
        "source_type": "volume",
        "destination_type": "volume",
        "boot_index": 0,
        "delete_on_termination": True,
    }
    server_id = nova.launch(imageRef="", block_device_mapping_v2=[root])
    shown = nova.get(f"/servers/{server_id}")["server"]
    assert shown["image"] == ""
    path = f"/servers/{server_id}/os-volume_attachments"
    (attached,) = nova.get(path)["volumeAttachments"]
    assert attached["device"] == "/dev/vda"
    message = nova.refused(403, "DELETE", f"{path}/{volume.id}")
    assert message == "Cannot detach a root device volume"
    nova.delete(server_id)
    demo.block_storage.wait_for_delete(volume, interval=0.1, wait=30)


def test_the_events_of_an_action_tell_the_admin_more(nova, server) -> None:
    (action,) = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    path = f"/servers/{server}/os-instance-actions/{action['request_id']}"
    deadline = time.monotonic() + 30
    while not (events := nova.get(path)["instanceAction"]["events"]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert all(e["result"] == "Success" and "host" not in e for e in events)
    seen = nova.get(path, user="admin")["instanceAction"]["events"]
    assert any(event["host"] == "host-1" for event in seen)
    assert "events" not in nova.get(path, version="2.50")["instanceAction"]
    nova.refused(404, "GET", f"/servers/{server}/os-instance-actions/req-{NOBODY}")


def test_an_action_that_nobody_began_is_shown_too(nova, server, cloud) -> None:
    path = f"/servers/{server}/os-instance-actions"
    (action,) = nova.get(path)["instanceActions"]
    before = nova.get(f"{path}/{action['request_id']}")["instanceAction"]
    database = sqlite3.connect(cloud.databases["database"].removeprefix("sqlite:///"), timeout=30)
    forget = "UPDATE instance_actions SET project_id = NULL, user_id = NULL WHERE request_id = ?"
    with database:
        database.execute(forget, (action["request_id"],))
    database.close()
    shown = nova.get(f"{path}/{action['request_id']}")["instanceAction"]
    assert shown == {**before, "project_id": None, "user_id": None}
    assert all(event["hostId"] for event in shown["events"])


def test_only_services_tell_of_external_events(nova, server) -> None:
    body = {"events": [{"name": "network-changed", "server_uuid": server}]}
    for user in ("demo", "admin"):
        nova.refused(403, "POST", "/os-server-external-events", body, user=user)
    answer = nova.call("POST", "/os-server-external-events", body, user="service")
    assert answer.status_code == 200
    assert answer.json()["events"] == [{**body["events"][0], "status": "completed", "code": 200}]
    body["events"].append({"name": "network-changed", "server_uuid": NOBODY})
    answer = nova.call("POST", "/os-server-external-events", body, user="service")
    assert answer.status_code == 207
    assert [event["code"] for event in answer.json()["events"]] == [200, 404]
