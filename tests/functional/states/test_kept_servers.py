"""Deleted servers that are kept for a while: hidden, restored, or deleted for good."""

import pytest


@pytest.fixture
def server(nova):
    server_id = nova.launch(name="kept")
    yield server_id
    nova.act(server_id, "forceDelete", user="admin")
    gone(nova, server_id)


def gone(nova, server_id: str) -> None:
    nova.until(
        lambda: nova.call("GET", f"/servers/{server_id}").status_code == 404, "it is deleted"
    )


def soft_delete(nova, server_id: str) -> None:
    assert nova.call("DELETE", f"/servers/{server_id}").status_code == 204
    assert nova.settled(server_id)["status"] == "SOFT_DELETED"


def listed(nova, query: str = "", **options: str) -> set[str]:
    return {server["id"] for server in nova.get(f"/servers{query}", **options)["servers"]}


def test_a_deleted_server_is_kept_stopped_and_hidden(nova, server) -> None:
    for _ in range(2):
        soft_delete(nova, server)
    kept = nova.get(f"/servers/{server}")["server"]
    assert (kept["OS-EXT-STS:vm_state"], kept["OS-EXT-STS:power_state"]) == ("soft-delete", 4)
    assert kept["OS-SRV-USG:terminated_at"] is None
    assert server not in listed(nova)
    assert server in listed(nova, "?status=SOFT_DELETED")
    assert server in listed(nova, "?all_tenants=1&deleted=True", user="admin")


def test_a_kept_server_comes_back(nova, server) -> None:
    soft_delete(nova, server)
    assert nova.act(server, "restore").status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"
    assert server in listed(nova)
    actions = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [action["action"] for action in actions] == ["restore", "delete", "create"]
    soft_delete(nova, server)


def test_a_kept_server_is_deleted_for_good(nova, server) -> None:
    soft_delete(nova, server)
    assert nova.act(server, "forceDelete").status_code == 202
    gone(nova, server)
    assert not list(nova.connections["demo"].network.ports(device_id=server))


def test_a_kept_server_uses_no_quota_and_needs_some_to_come_back(nova, server) -> None:
    used = nova.get("/limits")["limits"]["absolute"]["totalInstancesUsed"]
    soft_delete(nova, server)
    limits = nova.get("/limits")["limits"]["absolute"]
    assert limits["totalInstancesUsed"] == used - 1
    path = f"/os-quota-sets/{nova.project}"
    before = limits["maxTotalInstances"]
    set_to = {"quota_set": {"instances": used - 1, "force": True}}
    assert nova.call("PUT", path, set_to, user="admin").status_code == 200
    try:
        refusal = nova.refused(403, "POST", f"/servers/{server}/action", {"restore": None})
        assert refusal == (
            f"Quota exceeded for instances: Requested 1, but already used {used - 1} "
            f"of {used - 1} instances"
        )
        assert nova.get(f"/servers/{server}")["server"]["status"] == "SOFT_DELETED"
    finally:
        nova.call("PUT", path, {"quota_set": {"instances": before, "force": True}}, user="admin")
    assert nova.act(server, "restore").status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"


def test_a_locked_server_is_kept_from_deletion_of_any_kind(nova, server) -> None:
    assert nova.act(server, "lock").status_code == 202
    for answer in (nova.call("DELETE", f"/servers/{server}"), nova.act(server, "forceDelete")):
        assert answer.status_code == 409
    assert nova.get(f"/servers/{server}")["server"]["status"] == "ACTIVE"
    assert nova.act(server, "unlock").status_code == 202
