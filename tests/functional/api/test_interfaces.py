"""Interfaces and addresses that a server gets and loses while it exists."""

import uuid

import pytest

OLD = "2.43"


@pytest.fixture(scope="module")
def other(nova):
    """A second network of the project's own."""
    demo = nova.connections["demo"].network
    network = demo.create_network(name="second")
    subnet = demo.create_subnet(network_id=network.id, ip_version=4, cidr="10.77.0.0/29")
    yield network.id
    demo.delete_subnet(subnet)
    demo.delete_network(network)


@pytest.fixture
def server(nova):
    server_id = nova.launch(name="plugged")
    yield server_id
    nova.delete(server_id)


def attach(nova, server, status=200, **wanted):
    answer = nova.call("POST", f"/servers/{server}/os-interface", {"interfaceAttachment": wanted})
    assert answer.status_code == status, answer.text
    return answer.json()["interfaceAttachment"] if status == 200 else answer.text


def interfaces(nova, server):
    return nova.get(f"/servers/{server}/os-interface")["interfaceAttachments"]


def addresses(nova, server):
    shown = nova.get(f"/servers/{server}")["server"]["addresses"]
    return {name: [entry["addr"] for entry in entries] for name, entries in shown.items()}


def detach(nova, server, port):
    answer = nova.call("DELETE", f"/servers/{server}/os-interface/{port}")
    assert answer.status_code == 202, answer.text
    nova.until(lambda: len(interfaces(nova, server)) == 1, "it is detached")
    nova.settled(server)


@pytest.mark.parametrize("stopped", [False, True])
def test_an_interface_comes_by_its_network_and_goes_with_its_port(
    nova, server, other, stopped
) -> None:
    if stopped:
        nova.act(server, "os-stop")
        nova.settled(server)
    made = attach(nova, server, net_id=other, tag="second")
    assert (made["net_id"], made["tag"], made["port_state"]) == (other, "second", "ACTIVE")
    address = made["fixed_ips"][0]["ip_address"]
    assert addresses(nova, server)["second"] == [address]
    shown = nova.get(f"/servers/{server}/os-interface/{made['port_id']}")["interfaceAttachment"]
    assert shown == made
    detach(nova, server, made["port_id"])
    assert "second" not in addresses(nova, server)
    ports = nova.connections["demo"].network
    nova.until(lambda: ports.find_port(made["port_id"]) is None, "its port is deleted")
    done = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [a["action"] for a in done[:2]] == ["detach_interface", "attach_interface"]


def test_a_port_of_ones_own_is_kept_when_it_is_detached(nova, server, other) -> None:
    demo = nova.connections["demo"].network
    port = demo.create_port(network_id=other)
    attach(nova, server, port_id=port.id)
    assert "still in use" in attach(nova, server, 409, port_id=port.id)
    assert demo.get_port(port.id).device_id == server
    detach(nova, server, port.id)
    nova.until(lambda: demo.get_port(port.id).device_id == "", "it is free again")
    attach(nova, server, port_id=port.id)
    fleeting = nova.launch(name="fleeting", networks="none")
    demo_two = demo.create_port(network_id=other)
    attach(nova, fleeting, port_id=demo_two.id)
    nova.delete(fleeting)
    assert demo.get_port(demo_two.id).device_id == ""
    demo.delete_port(demo_two)
    detach(nova, server, port.id)
    demo.delete_port(port)


def test_an_address_can_be_chosen_and_only_once(nova, server, other) -> None:
    wanted = {"net_id": other, "fixed_ips": [{"ip_address": "10.77.0.5"}]}
    made = attach(nova, server, **wanted)
    assert made["fixed_ips"][0]["ip_address"] == "10.77.0.5"
    attach(nova, server, 409, **wanted)
    detach(nova, server, made["port_id"])


def test_a_network_without_free_addresses_is_refused(nova, server, other) -> None:
    demo = nova.connections["demo"].network
    taken = []
    while True:
        answer = nova.call(
            "POST", f"/servers/{server}/os-interface", {"interfaceAttachment": {"net_id": other}}
        )
        if answer.status_code != 200:
            break
        taken.append(answer.json()["interfaceAttachment"]["port_id"])
    assert answer.status_code == 400
    assert "No fixed IP addresses available" in answer.text
    assert len(demo_ports(demo, other)) == len(taken)
    for port in taken:
        assert nova.call("DELETE", f"/servers/{server}/os-interface/{port}").status_code == 202
        nova.settled(server)
    nova.until(lambda: demo_ports(demo, other) == [], "all are gone")


def demo_ports(demo, network):
    return [p.id for p in demo.ports(network_id=network) if p.device_owner.startswith("compute")]


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (404, {"net_id": str(uuid.uuid4())}),
        (404, {"port_id": str(uuid.uuid4())}),
        (400, {"net_id": str(uuid.uuid4()), "port_id": str(uuid.uuid4())}),
        (400, {"fixed_ips": [{"ip_address": "10.77.0.5"}]}),
        (400, {"net_id": "second"}),
        (400, {"colour": "blue"}),
    ],
)
def test_what_cannot_be_attached_is_refused(nova, server, status, wanted) -> None:
    attach(nova, server, status, **wanted)
    assert len(interfaces(nova, server)) == 1


def test_an_interface_is_refused_in_the_wrong_state(nova, server, other) -> None:
    nova.act(server, "os-resetState", {"state": "error"}, user="admin")
    said = nova.refused(
        409,
        "POST",
        f"/servers/{server}/os-interface",
        {"interfaceAttachment": {"net_id": other}},
    )
    assert said == f"Cannot 'attach_interface' instance {server} while it is in vm_state error"
    assert demo_ports(nova.connections["demo"].network, other) == []
    nobody = str(uuid.uuid4())
    nova.act(server, "os-resetState", {"state": "active"}, user="admin")
    nova.refused(404, "DELETE", f"/servers/{server}/os-interface/{nobody}")


def test_fixed_ips_are_added_and_removed_until_2_43(nova, server) -> None:
    (name,) = addresses(nova, server)
    add = {"networkId": nova.network}
    assert nova.act(server, "addFixedIp", add, version="2.44").status_code == 404
    assert nova.act(server, "addFixedIp", add, version=OLD).status_code == 202
    first, second = addresses(nova, server)[name]
    assert nova.act(server, "removeFixedIp", {"address": second}, version=OLD).status_code == 202
    assert addresses(nova, server)[name] == [first]
    again = nova.act(server, "removeFixedIp", {"address": second}, version=OLD)
    assert again.status_code == 400
    assert "does not have fixed IP" in again.text


def test_the_network_service_tells_of_changed_addresses(nova, server) -> None:
    (name,) = addresses(nova, server)
    (mine,) = interfaces(nova, server)
    admin = nova.connections["admin"].network
    port = admin.get_port(mine["port_id"])
    subnet = {"subnet_id": port.fixed_ips[0]["subnet_id"]}
    admin.update_port(port, fixed_ips=[*port.fixed_ips, subnet])
    nova.until(lambda: len(addresses(nova, server)[name]) == 2, "the server shows both")


def test_a_port_that_is_deleted_is_taken_from_its_server(nova, server, other) -> None:
    made = attach(nova, server, net_id=other)
    nova.connections["demo"].network.delete_port(made["port_id"])
    nova.until(lambda: "second" not in addresses(nova, server), "it is forgotten")
    nova.settled(server)
    (last, *_) = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert last["action"] == "detach_interface"


@pytest.mark.parametrize("name", ["network-changed", "network-vif-plugged", "network-vif-deleted"])
def test_events_of_the_network_service_are_taken(nova, server, name) -> None:
    event = {"name": name, "server_uuid": server, "tag": str(uuid.uuid4())}
    answer = nova.call("POST", "/os-server-external-events", {"events": [event]}, user="service")
    assert answer.status_code == 200, answer.text
    assert len(interfaces(nova, server)) == 1
