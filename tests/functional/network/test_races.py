"""Many ask at the same moment, on every database there is."""

import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests import databases
from tests.functional.network.server import Server

everywhere = pytest.mark.parametrize("db", databases.available(), indirect=True)


def at_once(count: int, ask: Callable[[int], Any]) -> list[Any]:
    """What `count` threads got that began together."""
    barrier = threading.Barrier(count)
    answers: list[Any] = []

    def run(number: int) -> None:
        barrier.wait()
        answers.append(ask(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == count
    return answers


@everywhere
def test_nobody_shares_an_address(server: Server) -> None:
    network = server.network("10.9.0.0/26")

    def ask(_: int) -> str:
        answer = server.call("POST", "/ports", {"port": {"network_id": network["id"]}})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["port"]["fixed_ips"][0]["ip_address"])

    assert len(set(at_once(50, ask))) == 50


@everywhere
def test_only_one_gets_the_address_all_want(server: Server) -> None:
    network = server.network("10.9.0.0/24")
    body = {"port": {"network_id": network["id"], "fixed_ips": [{"ip_address": "10.9.0.9"}]}}
    codes = at_once(8, lambda _: server.call("POST", "/ports", body).status_code)
    assert Counter(codes) == {201: 1, 409: 7}


@everywhere
def test_a_project_has_one_default_group(server: Server) -> None:
    at_once(8, lambda _: server.get("/security-groups"))
    assert len(server.get("/security-groups")["security_groups"]) == 1


@everywhere
def test_the_same_rule_is_made_once(server: Server) -> None:
    group = server.get("/security-groups")["security_groups"][0]
    rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "udp"}
    body = {"security_group_rule": rule}
    codes = at_once(8, lambda _: server.call("POST", "/security-group-rules", body).status_code)
    assert Counter(codes) == {201: 1, 409: 7}


@everywhere
def test_subnets_never_overlap(server: Server) -> None:
    network = server.network(None)
    body = {"subnet": {"network_id": network["id"], "ip_version": 4, "cidr": "10.9.0.0/24"}}
    codes = at_once(8, lambda _: server.call("POST", "/subnets", body).status_code)
    assert Counter(codes) == {201: 1, 400: 7}
    (dhcp,) = server.get("/ports")["ports"]
    assert dhcp["fixed_ips"][0]["ip_address"] == "10.9.0.2"


@everywhere
def test_a_network_is_deleted_or_gets_a_port_but_not_both(server: Server) -> None:
    for _ in range(5):
        network = server.network("10.9.0.0/24")
        body = {"port": {"network_id": network["id"]}}
        asks = [
            lambda path=f"/networks/{network['id']}": server.call("DELETE", path),
            lambda body=body: server.call("POST", "/ports", body),
        ]
        codes = {a.request.method: a.status_code for a in at_once(2, lambda n, a=asks: a[n]())}
        assert (codes["DELETE"], codes["POST"]) in {(204, 404), (204, 409), (409, 201)}, codes


@everywhere
def test_tags_and_names_are_found_exactly(server: Server) -> None:
    server.network(None, tags=["a_b", "größe"], name="Ünï")
    for query in ("tags=a_b", "tags=gr%C3%B6%C3%9Fe", "name=%C3%9Cn%C3%AF"):
        assert len(server.get(f"/networks?{query}")["networks"]) == 1, query
    for query in ("tags=aXb", "tags=a", "name=%C3%BCN%C3%8F"):
        assert server.get(f"/networks?{query}")["networks"] == [], query


@everywhere
def test_of_two_overlapping_subnets_a_router_gets_one(server: Server) -> None:
    router = server.post("/routers", {"router": {}})["router"]
    wide, narrow = server.network("10.9.0.0/16"), server.network("10.9.0.0/24")
    wanted = [
        {"port_id": server.port(wide["id"])["id"]},
        {"subnet_id": narrow["subnet"]["id"]},
        {"port_id": server.port(narrow["id"])["id"]},
        {"subnet_id": wide["subnet"]["id"]},
    ]
    path = f"/routers/{router['id']}/add_router_interface"
    codes = at_once(4, lambda number: server.call("PUT", path, wanted[number]).status_code)
    assert Counter(codes) == {200: 1, 400: 3}
    owner = "device_owner=network:router_interface"
    (interface,) = server.get(f"/ports?{owner}", "root:admin")["ports"]
    assert interface["device_id"] == router["id"]
