"""Routes of routers over HTTP, and what hosts hear of them."""

from typing import Any

import pytest

from tests import databases
from tests.functional.network.server import Agent, Server

everywhere = pytest.mark.parametrize("db", databases.available(), indirect=True)
BEHIND = "192.168.77.0/24"


@pytest.fixture
def private(server: Server) -> Any:
    return server.network()


@pytest.fixture
def router(server: Server, private: Any) -> Any:
    """With the private subnet."""
    made = server.post("/routers", {"router": {}})["router"]
    interface = {"subnet_id": private["subnet"]["id"]}
    server.put(f"/routers/{made['id']}/add_router_interface", interface)
    return made


def route(nexthop: str, destination: str = BEHIND) -> dict[str, str]:
    return {"destination": destination, "nexthop": nexthop}


def put(server: Server, router: Any, *routes: Any, verb: str = "") -> Any:
    path = f"/routers/{router['id']}{verb and '/' + verb}"
    return server.put(path, {"router": {"routes": list(routes)}})["router"]["routes"]


def refused(server: Server, router: Any, *routes: Any, verb: str = "") -> tuple[int, str, str]:
    path = f"/routers/{router['id']}{verb and '/' + verb}"
    answer = server.call("PUT", path, {"router": {"routes": list(routes)}})
    error = answer.json()["NeutronError"]
    return answer.status_code, error["type"], error["message"]


def test_routes_are_set_shown_added_and_removed(server: Server, router: Any) -> None:
    one, other = route("10.9.0.9"), route("10.9.0.8", "172.20.0.0/16")
    assert put(server, router, one) == [one]
    assert server.get(f"/routers/{router['id']}")["router"]["routes"] == [one]
    assert put(server, router, other, one, verb="add_extraroutes") == [one, other]
    assert put(server, router, one, verb="remove_extraroutes") == [other]
    assert put(server, router, one, verb="remove_extraroutes") == [other], "may be repeated"
    assert put(server, router) == []


@everywhere
def test_hosts_hear_of_routes_whose_router_is_up(
    server: Server, agent: Agent, router: Any, private: Any
) -> None:
    put(server, router, route("10.9.0.9"))
    agent.wait_for(lambda: "refresh" in agent.calls)
    (told,) = agent.state().routers
    assert [(r.destination, r.nexthop, r.network_id) for r in told.routes] == [
        (BEHIND, "10.9.0.9", private["id"])
    ]
    assert told.led == ["10.9.0.0/24"]
    server.put(f"/routers/{router['id']}", {"router": {"admin_state_up": False}})
    assert agent.state().routers == []


def test_nobody_leads_the_guests_of_a_shared_network_away(server: Server, agent: Agent) -> None:
    admin = "root:admin"
    shared = server.network("10.20.0.0/24", admin, shared=True)
    mine = server.post("/routers", {"router": {}})["router"]
    port = server.port(shared["id"])
    server.put(f"/routers/{mine['id']}/add_router_interface", {"port_id": port["id"]})
    nexthop = server.port(shared["id"])["fixed_ips"][0]["ip_address"]
    put(server, mine, route(nexthop, "0.0.0.0/0"))
    (told,) = agent.state().routers
    assert told.routes and told.led == []


def test_routes_that_cannot_be_are_refused(server: Server, router: Any) -> None:
    for verb in ("", "add_extraroutes"):
        away = route("10.8.0.1")
        assert refused(server, router, away, verb=verb) == (
            400,
            "InvalidRoutes",
            f"Invalid format for routes: {[away]}, the nexthop is not connected with router",
        )
        own = route("10.9.0.1")
        assert refused(server, router, own, verb=verb) == (
            400,
            "InvalidRoutes",
            f"Invalid format for routes: {[own]}, the nexthop is used by router",
        )
        for wrong in (
            {"destination": BEHIND},
            {"nexthop": "10.9.0.9"},
            {**route("10.9.0.9"), "x": 1},
            route("x"),
            route("10.9.0.9", "192.168.77.1/24"),
            route("10.9.0.9", "fd00::/64"),
            "x",
            None,
        ):
            assert refused(server, router, wrong, verb=verb)[0] == 400, wrong
    twice = route("10.9.0.9")
    assert refused(server, router, twice, twice)[:2] == (400, "InvalidInput")
    many = [route("10.9.0.9", f"192.168.{n}.0/24") for n in range(31)]
    assert refused(server, router, *many) == (
        400,
        "RoutesExhausted",
        f"Unable to complete operation for {router['id']}. The number of routes exceeds the "
        "maximum 30.",
    )
    body = {"router": {"routes": [route("10.9.0.9")]}}
    assert server.error("POST", "/routers", body)[0] == 400
    path = f"/routers/{router['id']}/add_extraroutes"
    assert server.error("PUT", path, body, "other") == (404, "RouterNotFound")
    assert server.error("PUT", path, body, "demo:reader")[0] == 403
    assert server.get(f"/routers/{router['id']}")["router"]["routes"] == []


def test_a_route_keeps_the_interface_of_its_next_hop(
    server: Server, router: Any, private: Any
) -> None:
    put(server, router, route("10.9.0.9"))
    subnet_id = private["subnet"]["id"]
    path = f"/routers/{router['id']}/remove_router_interface"
    answer = server.call("PUT", path, {"subnet_id": subnet_id})
    error = answer.json()["NeutronError"]
    assert (answer.status_code, error["type"]) == (409, "RouterInterfaceInUseByRoute")
    assert error["message"] == (
        f"Router interface for subnet {subnet_id} on router {router['id']} cannot be deleted, as "
        "it is required by one or more routes."
    )
    put(server, router)
    server.put(path, {"subnet_id": subnet_id})
