"""`openstack` and `nova`, unmodified: pauses, rescues, restores as their users ask."""

from collections.abc import Iterator

import pytest

from tests.clients import Clients
from tests.cloud import Cloud
from tests.nova import Nova


@pytest.fixture(scope="module")
def demo(cloud: Cloud, nova: Nova) -> Iterator[Clients]:
    clients = Clients(cloud, "demo")
    yield clients
    clients.close()


@pytest.fixture(scope="module")
def admin(cloud: Cloud, nova: Nova) -> Iterator[Clients]:
    clients = Clients(cloud, "admin")
    yield clients
    clients.close()


@pytest.fixture
def server(nova: Nova) -> Iterator[str]:
    server_id = nova.launch(name="commanded")
    yield server_id
    nova.act(server_id, "forceDelete", user="admin")


@pytest.mark.parametrize(
    ("there", "status", "back"),
    [
        ("openstack server pause", "PAUSED", "openstack server unpause"),
        ("nova pause", "PAUSED", "nova unpause"),
        ("openstack server suspend", "SUSPENDED", "openstack server resume"),
        ("nova suspend", "SUSPENDED", "nova resume"),
        ("openstack server rescue", "RESCUE", "openstack server unrescue"),
        ("nova rescue", "RESCUE", "nova unrescue"),
        ("openstack server delete", "SOFT_DELETED", "openstack server restore"),
        ("nova delete", "SOFT_DELETED", "nova restore"),
    ],
)
def test_a_server_goes_there_and_back_by_command(
    nova: Nova, demo: Clients, server: str, there: str, status: str, back: str
) -> None:
    demo(there, server)
    assert nova.settled(server)["status"] == status
    demo(back, server)
    assert nova.settled(server)["status"] == "ACTIVE"


def test_an_administrator_looks_into_a_server_by_command(
    nova: Nova, demo: Clients, admin: Clients, server: str
) -> None:
    assert "running" in admin("nova diagnostics", server)
    demo("openstack server dump create", server)
    demo("nova trigger-crash-dump", server)
    demo("nova clear-password", server)
    admin("openstack server set --state error --auto-approve", server)
    assert nova.get(f"/servers/{server}")["server"]["status"] == "ERROR"
    admin("nova reset-state --active", server)
    assert nova.get(f"/servers/{server}")["server"]["status"] == "ACTIVE"
    said = demo.refused("openstack server unpause", server)
    assert "while it is in vm_state active" in said
    admin("nova force-delete", server)
    nova.until(lambda: nova.call("GET", f"/servers/{server}").status_code == 404, "it is gone")
