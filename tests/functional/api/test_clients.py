"""The unmodified clients do the work: `openstack`, `nova` and openstacksdk."""

import json
from pathlib import Path

import pytest

from tests.nova import PUBLIC_KEY


def openstack(cloud, *words: str, user: str = "demo") -> str:
    done = cloud.client("openstack", *words, user=user)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def nova_client(cloud, *words: str) -> str:
    done = cloud.client("nova", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_command_of_the_documents_boots_a_server(nova, cloud, tmp_path: Path) -> None:
    nova.connections["admin"].compute.create_flavor(name="m1.small", ram=512, vcpus=1, disk=2)
    nova.connections["demo"].network.create_security_group(name="norprod")
    key = tmp_path / "key.pub"
    key.write_text(PUBLIC_KEY)
    nova_client(cloud, "keypair-add", "--pub-key", str(key), "my_key")
    nova_client(
        cloud,
        *("boot", "--flavor", "m1.small", "--image", "centos7", "--nic", f"net-id={nova.network}"),
        *("--security-group", "norprod", "--key-name", "my_key", "stack_testvm", "--poll"),
    )
    assert "stack_testvm" in nova_client(cloud, "list")
    shown = nova_client(cloud, "show", "stack_testvm")
    assert "norprod" in shown and "my_key" in shown
    assert "ready" in nova_client(cloud, "console-log", "stack_testvm")
    nova_client(cloud, "--os-compute-api-version", "2.1", "stop", "stack_testvm")
    server_id = nova.get("/servers?name=stack_testvm")["servers"][0]["id"]
    assert nova.settled(server_id)["status"] == "SHUTOFF"
    nova_client(cloud, "delete", "stack_testvm")


def test_openstack_launches_by_names_and_waits(nova, cloud) -> None:
    openstack(cloud, "keypair", "create", "cli-key")
    openstack(
        cloud,
        *("server", "create", "--flavor", "m1.nano", "--image", "centos7", "--network", "private"),
        *("--key-name", "cli-key", "--property", "a=b", "--tag", "t", "--wait", "cli-vm"),
        *("--os-compute-api-version", "2.96"),
    )
    listed = json.loads(openstack(cloud, "server", "list", "--long", "-f", "json"))
    (row,) = [row for row in listed if row["Name"] == "cli-vm"]
    assert (row["Status"], row["Image Name"], row["Flavor"]) == ("ACTIVE", "centos7", "m1.nano")
    shown = json.loads(openstack(cloud, "server", "show", "cli-vm", "-f", "json"))
    assert shown["properties"] == {"a": "b"}
    openstack(cloud, "server", "reboot", "--hard", "--wait", "cli-vm")
    openstack(cloud, "server", "set", "--name", "cli-vm-2", "cli-vm")
    events = json.loads(openstack(cloud, "server", "event", "list", "cli-vm-2", "-f", "json"))
    assert [event["Action"] for event in events] == ["reboot", "create"]
    openstack(cloud, "server", "delete", "--wait", "cli-vm-2")
    assert "cli-vm" not in openstack(cloud, "server", "list")


@pytest.mark.parametrize(
    "words",
    [
        ("flavor", "list"),
        ("flavor", "show", "m1.nano"),
        ("keypair", "list"),
        ("availability", "zone", "list"),
        ("limits", "show", "--absolute"),
        ("quota", "show"),
        ("versions", "show"),
    ],
)
def test_openstack_looks_around(nova, cloud, words) -> None:
    assert openstack(cloud, *words)


def test_openstack_shows_the_operator_his_hosts(nova, cloud) -> None:
    assert "host-1" in openstack(cloud, "hypervisor", "list", user="admin")
    shown = json.loads(openstack(cloud, "hypervisor", "show", "host-1", "-f", "json", user="admin"))
    assert shown["hypervisor_type"].startswith("fake") and shown["state"] == "up"
    assert "nova-compute" in openstack(cloud, "compute", "service", "list", user="admin")
    words = ("compute", "service", "set", "--disable", "--disable-reason", "why", "host-1")
    openstack(cloud, *words, "nova-compute", user="admin")
    openstack(
        cloud, "compute", "service", "set", "--enable", "host-1", "nova-compute", user="admin"
    )


def test_the_sdk_launches_waits_and_deletes(nova) -> None:
    demo = nova.connections["demo"]
    server = demo.compute.create_server(
        name="sdk", flavor_id=nova.flavor, image_id=nova.image, networks="auto"
    )
    server = demo.compute.wait_for_server(server, interval=0.1, wait=60)
    assert server.status == "ACTIVE"
    assert [server.id] == [s.id for s in demo.compute.servers(name="^sdk$")]
    demo.compute.delete_server(server)
    demo.compute.wait_for_delete(server, interval=0.1, wait=60)
