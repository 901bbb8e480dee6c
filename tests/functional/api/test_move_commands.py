"""`openstack` and `nova`, unmodified: resizes, migrations and interfaces as their users ask."""

from collections.abc import Iterator

import pytest

from tests.clients import Clients
from tests.cloud import Cloud
from tests.nova import Nova


@pytest.fixture(scope="module")
def demo(cloud: Cloud, nova: Nova) -> Iterator[Clients]:
    clients = Clients(cloud, "demo", OS_COMPUTE_API_VERSION="2.90")
    yield clients
    clients.close()


@pytest.fixture(scope="module")
def admin(cloud: Cloud, nova: Nova) -> Iterator[Clients]:
    clients = Clients(cloud, "admin", OS_COMPUTE_API_VERSION="2.90")
    yield clients
    clients.close()


@pytest.fixture
def server(nova: Nova) -> Iterator[str]:
    server_id = nova.launch(name="commanded")
    yield server_id
    nova.delete(server_id)


def test_a_server_is_resized_and_migrated_by_command(
    nova: Nova, demo: Clients, admin: Clients, server: str
) -> None:
    admin("openstack flavor create --ram 96 --disk 2 --vcpus 1 m1.commanded")
    # Without --wait, which looks every five seconds.
    demo("openstack server resize --flavor m1.commanded", server)
    assert nova.settled(server)["status"] == "VERIFY_RESIZE"
    demo("openstack server resize revert", server)
    nova.until(lambda: nova.settled(server)["status"] == "ACTIVE", "it is reverted")
    demo("nova --os-compute-api-version 2.90 resize", server, "m1.commanded")
    assert nova.settled(server)["status"] == "VERIFY_RESIZE"
    demo("nova resize-confirm", server)
    nova.until(lambda: nova.settled(server)["status"] == "ACTIVE", "it is confirmed")
    admin("openstack server migrate", server)
    assert nova.settled(server)["status"] == "VERIFY_RESIZE"
    demo("openstack server migration confirm", server)
    nova.until(lambda: nova.settled(server)["status"] == "ACTIVE", "it is confirmed")
    listed = admin.json("openstack server migration list --server", server)
    kinds = [(row["Type"], row["Status"]) for row in listed]
    assert kinds == [("migration", "confirmed"), ("resize", "confirmed"), ("resize", "reverted")]
    said = admin.refused("openstack server migrate --live-migration --host elsewhere", server)
    assert "Compute host elsewhere could not be found." in said
    admin("openstack flavor delete m1.commanded")


def test_networks_ports_and_addresses_come_and_go_by_command(
    nova: Nova, demo: Clients, server: str
) -> None:
    demo("openstack network create by-command")
    demo("openstack subnet create --network by-command --subnet-range 10.78.0.0/28 by-command")
    demo("openstack server add network", server, "by-command")
    (given,) = demo.json("openstack server show", server)["addresses"]["by-command"]
    wanted = "10.78.0.9" if given != "10.78.0.9" else "10.78.0.10"
    demo(f"openstack server add fixed ip --fixed-ip-address {wanted}", server, "by-command")
    addresses = demo.json("openstack server show", server)["addresses"]
    assert sorted(addresses["by-command"]) == sorted((given, wanted))
    demo("openstack port create --network by-command by-command")
    demo("openstack server add port", server, "by-command")
    assert len(nova.get(f"/servers/{server}/os-interface")["interfaceAttachments"]) == 4
    demo("openstack server remove port", server, "by-command")
    nova.until(lambda: demo.json("openstack port show by-command")["device_id"] == "", "it is free")
    nova.settled(server)
    demo("openstack server remove network", server, "by-command")
    nova.until(lambda: set(nova.settled(server)["addresses"]) == {"private"}, "the network is gone")
    demo("openstack port delete by-command")
    demo("openstack network delete by-command")
