"""Pausing and suspending a server, over HTTP."""

import pytest


@pytest.fixture
def server(nova):
    server_id = nova.launch(name="sleeper")
    yield server_id
    nova.delete(server_id)


@pytest.mark.parametrize(
    ("down", "up", "status", "power"),
    [("pause", "unpause", "PAUSED", 3), ("suspend", "resume", "SUSPENDED", 7)],
)
def test_a_server_sleeps_and_wakes(nova, server, down, up, status, power) -> None:
    assert nova.act(server, down).status_code == 202
    asleep = nova.settled(server)
    assert (asleep["status"], asleep["OS-EXT-STS:power_state"]) == (status, power)
    again = nova.refused(409, "POST", f"/servers/{server}/action", {down: None})
    state = asleep["OS-EXT-STS:vm_state"]
    assert again == f"Cannot '{down}' instance {server} while it is in vm_state {state}"
    assert nova.act(server, up).status_code == 202
    awake = nova.settled(server)
    assert (awake["status"], awake["OS-EXT-STS:power_state"]) == ("ACTIVE", 1)
    actions = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [action["action"] for action in actions] == [up, down, "create"]


@pytest.mark.parametrize("down", ["pause", "suspend"])
def test_a_sleeping_server_is_rebooted_hard_or_deleted(nova, down) -> None:
    server = nova.launch(name="sleeper")
    assert nova.act(server, down).status_code == 202
    nova.settled(server)
    assert nova.act(server, "reboot", {"type": "SOFT"}).status_code == 409
    assert nova.act(server, "reboot", {"type": "HARD"}).status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"
    assert nova.act(server, down).status_code == 202
    nova.settled(server)
    nova.delete(server)


def test_only_members_put_a_server_to_sleep(nova, server) -> None:
    for action in ("pause", "unpause", "suspend", "resume"):
        assert nova.act(server, action, user="reader").status_code == 403
        assert nova.act(server, action, user="stranger").status_code == 404
