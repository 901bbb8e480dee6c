"""The hosts' agents, living and dead."""

import datetime as dt
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from minova.companions.network import binding, tables
from minova.db.engine import Database
from tests.functional.network.server import Agent, Server

ADMIN = "admin:admin"
SERVICE = "services:service"


def test_the_admin_sees_which_agents_live(server: Server, agent: Agent, db: Database) -> None:
    (seen,) = server.get("/agents", ADMIN)["agents"]
    assert seen["host"] == "h1" and seen["alive"]
    assert server.get(f"/agents/{seen['id']}", ADMIN)["agent"] == seen
    assert server.error("GET", "/agents") == (403, "PolicyNotAuthorized")
    _silence(db)
    assert not server.get("/agents", ADMIN)["agents"][0]["alive"]
    agent.report()
    for _ in range(200):
        if server.get("/agents?alive=true", ADMIN)["agents"]:
            break
        threading.Event().wait(0.02)
    else:
        raise AssertionError("the agent's report never came")
    server.delete(f"/agents/{seen['id']}", ADMIN)
    assert server.error("DELETE", f"/agents/{seen['id']}", who=ADMIN) == (404, "AgentNotFound")


def test_a_dead_agent_fails_a_binding_and_blocks_no_deletion(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binding, "PING_TIMEOUT", 0.1)
    network = server.network()
    began = time.monotonic()
    port = server.port(network["id"], SERVICE, **{"binding:host_id": "nowhere"})
    assert time.monotonic() - began < 3
    assert port["binding:vif_type"] == "binding_failed" and port["status"] == "DOWN"
    (seen,) = server.get("/ports?binding:host_id=nowhere", SERVICE)["ports"]
    assert (seen["binding:vif_type"], seen["status"]) == ("binding_failed", "DOWN")
    server.delete(f"/ports/{port['id']}", SERVICE)


def test_an_agent_that_died_a_moment_ago_is_not_waited_for(
    server: Server, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reported lately, and its queue may still be there: only its silence tells."""
    monkeypatch.setattr(binding, "PATIENCE", 0.1)
    monkeypatch.setattr(binding, "PING_TIMEOUT", 0.1)
    agent = Agent("h1", db)
    agent.start()
    agent.stop()
    network = server.network()
    began = time.monotonic()
    port = server.port(network["id"], SERVICE, **{"binding:host_id": "h1"})
    assert port["binding:vif_type"] == "binding_failed"
    assert time.monotonic() - began < 5


def test_an_agent_that_lives_is_waited_for(
    server: Server, agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(binding, "PATIENCE", 0.2)
    network = server.network()
    agent.go.clear()
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(server.port, network["id"], SERVICE, **{"binding:host_id": "h1"})
        agent.wait_for(lambda: agent.calls.count("ping") >= 2)
        agent.go.set()
        assert asked.result()["binding:vif_type"] == "bridge"


def test_an_agent_whose_reports_got_lost_still_binds(
    server: Server, agent: Agent, db: Database
) -> None:
    network = server.network()
    _silence(db)
    port = server.port(network["id"], SERVICE, **{"binding:host_id": "h1"})
    assert port["binding:vif_type"] == "bridge" and "ping" in agent.calls
    server.delete(f"/ports/{port['id']}", SERVICE)
    agent.wait_for(lambda: port["id"] not in agent.ports)


def test_an_agent_that_starts_late_finds_everything(
    server: Server, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = server.network("10.5.0.0/24", name="lan")
    agent = Agent("late", db)
    agent.start()
    try:
        state = agent.state()
        assert [(n.id, n.name, n.bridge) for n in state.networks] == [
            (network["id"], "lan", f"br-{network['id'][:11]}")
        ]
        assert (state.ports, state.groups) == ([], [])
        port = server.port(network["id"], SERVICE, **{"binding:host_id": "late"})
        state = agent.state()
        assert [p.id for p in state.ports] == [port["id"]]
        assert [g.id for g in state.groups] == port["security_groups"]
    finally:
        agent.stop()


def test_a_new_subnet_comes_to_every_host_at_once(server: Server, agent: Agent) -> None:
    network = server.network("10.5.0.0/24")
    agent.wait_for(lambda: network["id"] in agent.networks)
    path = f"/subnets/{network['subnet']['id']}"
    server.put(path, {"subnet": {"dns_nameservers": ["1.1.1.1"]}})
    agent.wait_for(lambda: agent.networks[network["id"]].subnets[0].dns_nameservers == ["1.1.1.1"])
    server.delete(f"/networks/{network['id']}")
    agent.wait_for(lambda: network["id"] not in agent.networks)


def test_a_port_moves_between_hosts(server: Server, agent: Agent, db: Database) -> None:
    other = Agent("h2", db)
    other.start()
    try:
        network = server.network()
        port = server.port(network["id"], SERVICE, **{"binding:host_id": "h1"})
        path = f"/ports/{port['id']}"
        moved = server.put(path, {"port": {"binding:host_id": "h2"}}, SERVICE)["port"]
        assert moved["binding:host_id"] == "h2" and port["id"] in other.ports
        agent.wait_for(lambda: port["id"] not in agent.ports)
        body = {"port": {"binding:host_id": "", "device_id": "", "device_owner": ""}}
        freed = server.put(path, body, SERVICE)["port"]
        assert freed["binding:vif_type"] == "unbound" and freed["binding:host_id"] == ""
        other.wait_for(lambda: port["id"] not in other.ports)
    finally:
        other.stop()


def test_only_services_say_where_a_port_is(server: Server) -> None:
    network = server.network()
    for attrs in ({"binding:host_id": "h1"}, {"binding:profile": {"a": 1}}):
        body = {"port": {"network_id": network["id"], **attrs}}
        assert server.error("POST", "/ports", body) == (403, "PolicyNotAuthorized")
    port = server.port(network["id"])
    body = {"port": {"binding:host_id": "h1"}}
    assert server.error("PUT", f"/ports/{port['id']}", body) == (403, "PolicyNotAuthorized")
    assert server.error("GET", "/ports?binding:host_id=h1")[0] == 400


def _silence(db: Database) -> None:
    """Nobody has reported for long."""
    with db.transaction() as connection:
        connection.execute(sa.update(tables.agents).values(heartbeat_at=dt.datetime(2020, 1, 1)))
