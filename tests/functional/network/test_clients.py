"""The unmodified clients, with a real identity service and keystonemiddleware in between."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import falcon
import openstack
import pytest
from keystonemiddleware import auth_token

from minova.common.context import RequestContext
from minova.common.service import RestService
from minova.companions.identity import app as identity_app
from minova.companions.identity import bootstrap, keys
from minova.companions.identity import service as identity_service
from minova.companions.identity.keys import KeyRing
from minova.db import engine
from minova.db.engine import Database
from tests.clients import run_openstack
from tests.functional.network.server import Server

PASSWORD = "a-password"
Run = Callable[..., list[Any]]


def from_middleware(req: falcon.Request) -> RequestContext | None:
    if req.env.get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
        return None
    return RequestContext.from_environ(req.env, overwrite=False)


@pytest.fixture
def auth_url(db: Database, _bus: None, tmp_path: Path) -> Iterator[str]:
    """A cloud of identity and network."""
    url = f"sqlite:///{tmp_path}/identity.sqlite"
    engine.migrate(url, identity_service.MIGRATIONS)
    identity_db = Database(url)
    keys.setup(tmp_path / "keys")
    settings = identity_app.Settings(public_endpoint="http://127.0.0.1:5000", password_rounds=4)
    wsgi = identity_app.build(identity_db, KeyRing(tmp_path / "keys"), settings)
    identity = RestService("identity", wsgi, "127.0.0.1", 0, threads=4)
    identity.start()
    where = f"http://127.0.0.1:{identity.port}/v3"
    login = {
        "auth_type": "password",
        "auth_url": where,
        "username": "neutron",
        "password": PASSWORD,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "delay_auth_decision": True,
    }
    server = Server(
        db, who=from_middleware, before=lambda wsgi: auth_token.AuthProtocol(wsgi, login)
    )
    server.start()
    bootstrap.bootstrap(
        identity_db,
        bootstrap.BootstrapPlan(
            admin_password=PASSWORD,
            demo_password=PASSWORD,
            service_passwords={"neutron": PASSWORD},
            catalog=[
                bootstrap.CatalogEntry("identity", "keystone", where),
                bootstrap.CatalogEntry("network", "neutron", server.url),
            ],
            password_rounds=4,
        ),
    )
    yield where
    server.stop()
    identity.stop()
    identity_db.dispose()


@pytest.fixture
def run(auth_url: str, tmp_path: Path) -> Run:
    """`openstack` commands one after the other; every one has to succeed."""

    def run(*commands: str, user: str = "demo") -> list[Any]:
        outputs = run_openstack(auth_url, user, PASSWORD, user, *commands, HOME=str(tmp_path))
        return [json.loads(out) if out.startswith(("{", "[")) else out for out in outputs]

    return run


def test_the_openstack_commands_work(run: Run) -> None:
    found = run(
        "network create netx -f json",
        "subnet create --network netx --subnet-range 10.9.0.0/24 --gateway 10.9.0.1 "
        "--dns-nameserver 1.1.1.1 suby -f json",
        "network list -f json",
        "subnet list -f json",
        "network show netx -f json",
        "subnet show suby -f json",
    )
    assert [row["Name"] for row in found[2]] == ["netx"]
    assert [row["Subnet"] for row in found[3]] == ["10.9.0.0/24"]
    assert found[4]["status"] == "ACTIVE" and found[4]["subnets"] == [found[1]["id"]]
    assert found[5]["dns_nameservers"] == ["1.1.1.1"]
    found = run(
        "security group list -f json",
        "security group rule list default -f json",
        "security group rule create --protocol tcp --dst-port 22:22 default -f json",
        "security group rule create --protocol icmp default -f json",
        "security group rule list default -f json",
        "security group create sgx -f json",
        "security group set --description changed --name sgy sgx",
        "security group show sgy -f json",
        "security group delete sgy",
    )
    assert [row["Name"] for row in found[0]] == ["default"]
    assert (len(found[1]), len(found[4])) == (4, 6)
    assert found[2]["port_range_min"] == 22 and found[2]["remote_ip_prefix"] == "0.0.0.0/0"
    assert len(found[5]["rules"]) == 2
    assert found[7]["description"] == "changed"
    found = run(
        "port create --network netx --tag t p1 -f json",
        "port list -f json",
        "port set --name p2 p1",
        "port show p2 -f json",
        "port unset --security-group default p2",
        "port list --long --device-owner network:dhcp -f json",
        "network set --tag blue --name nety netx",
        "network list --tags blue -f json",
        "subnet set --no-dhcp suby",
        "floating ip list -f json",
        "router list -f json",
        "quota show --network -f json",
        "extension list --network -f json",
        "port delete p2",
        "network delete nety",
        "network list -f json",
    )
    assert found[0]["fixed_ips"][0]["ip_address"].startswith("10.9.0.")
    assert found[0]["tags"] == ["t"]
    assert {row["Name"] for row in found[1]} == {"", "p1"}
    assert found[3]["id"] == found[0]["id"]
    assert [row["Fixed IP Addresses"][0]["ip_address"] for row in found[5]] == ["10.9.0.2"]
    assert [row["Name"] for row in found[7]] == ["nety"]
    assert found[9] == found[10] == found[15] == []
    assert "security-group" in [row["Alias"] for row in found[12]]


def test_the_openstack_commands_of_routers_work(run: Run) -> None:
    run("network create --external public", user="admin")
    run("subnet create --network public --subnet-range 172.31.0.0/24 --no-dhcp out", user="admin")
    to_office = "--route destination=192.168.7.0/24,gateway=10.9.0.9"
    to_lab = "--route destination=192.168.8.0/24,gateway=10.9.0.9"
    found = run(
        "network create netx",
        "subnet create --network netx --subnet-range 10.9.0.0/24 subx",
        "subnet create --network netx --subnet-range 10.10.0.0/24 --gateway none suby",
        "port create --network netx --fixed-ip subnet=suby,ip-address=10.10.0.77 porty",
        "router create r",
        "router add subnet r subx",
        "router add port r porty",
        f"router set --external-gateway public {to_office} r",
        f"router add route {to_lab} r",
        "router show r -f json",
        f"router remove route {to_office} r",
        "router show r -f json",
        "router unset --external-gateway r",
        "router set --no-route r",
        "port list --router r -f json",
        "router remove port r porty",
        "router remove subnet r subx",
        "router delete r",
        "router list -f json",
    )
    office, lab = (
        {"destination": f"192.168.{number}.0/24", "nexthop": "10.9.0.9"} for number in (7, 8)
    )
    assert found[9]["routes"] == [office, lab] and found[11]["routes"] == [lab]
    assert found[9]["external_gateway_info"]["enable_snat"] is True
    assert {fixed["ip_address"] for fixed in found[9]["interfaces_info"]} == {
        "10.9.0.1",
        "10.10.0.77",
    }
    addresses = {row["Fixed IP Addresses"][0]["ip_address"] for row in found[14]}
    assert addresses == {"10.9.0.1", "10.10.0.77"}
    assert found[18] == []


def test_the_admin_shares_a_network_and_sets_a_quota(run: Run) -> None:
    found = run(
        "network create --share --provider-network-type flat --provider-physical-network lab "
        "private -f json",
        "subnet create --network private --subnet-range 10.1.0.0/24 private-subnet -f json",
        "quota set --ports 7 demo",
        "quota show --network --usage demo -f json",
        "network agent list -f json",
        "availability zone list --network -f json",
        user="admin",
    )
    assert found[0]["provider:network_type"] == "flat"
    assert {row["Resource"]: row["Limit"] for row in found[3]}["ports"] == 7
    assert found[4] == []
    assert [row["Zone Name"] for row in found[5]] == ["nova"]
    (listed, port) = run("network list -f json", "port create --network private p -f json")
    assert [row["Name"] for row in listed] == ["private"]
    assert port["fixed_ips"][0]["ip_address"].startswith("10.1.0.")


def test_openstacksdk_walks_through_every_resource(auth_url: str) -> None:
    sdk = openstack.connect(
        auth_url=auth_url,
        username="demo",
        password=PASSWORD,
        project_name="demo",
        user_domain_name="Default",
        project_domain_name="Default",
        region_name="RegionOne",
        load_yaml_config=False,
        load_envvars=False,
    )
    api = sdk.network
    network = api.create_network(name="n1", mtu=1400)
    subnet = api.create_subnet(network_id=network.id, ip_version=4, cidr="10.3.0.0/24", name="s1")
    group = api.create_security_group(name="web")
    wanted = {"direction": "ingress", "port_range_min": 80, "port_range_max": 80}
    rule = api.create_security_group_rule(security_group_id=group.id, protocol="tcp", **wanted)
    port = api.create_port(
        network_id=network.id,
        name="p1",
        fixed_ips=[{"subnet_id": subnet.id}],
        security_groups=[group.id],
    )
    assert api.find_network("n1").subnet_ids == [subnet.id]
    assert api.find_port("p1").fixed_ips[0]["subnet_id"] == subnet.id
    by_address = f"ip_address={port.fixed_ips[0]['ip_address']}"
    assert [p.id for p in api.ports(fixed_ips=by_address)] == [port.id]
    assert len(list(api.ports(network_id=network.id))) == 2  # and DHCP's
    assert [r.id for r in api.security_group_rules(protocol="tcp")] == [rule.id]
    api.set_tags(port, ["a", "b"])
    assert [p.id for p in api.ports(tags="a,b")] == [port.id]
    assert [p.id for p in api.ports(limit=1)] == sorted(p.id for p in api.ports())
    api.update_port(port, name="renamed")
    assert api.get_port(port.id).name == "renamed"
    api.delete_port(port)
    api.delete_security_group(group)
    api.delete_network(network)
    assert list(api.networks()) == [] and list(api.subnets()) == []
    sdk.close()
