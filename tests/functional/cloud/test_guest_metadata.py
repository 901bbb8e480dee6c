"""The metadata service, asked as the agent of a guest's host does."""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import requests

from tests.cloud import Cloud
from tests.nova import Nova

PROFILES = ("embedded", "mariadb", "postgresql")


@dataclass
class Guest:
    """A server, and how to ask for what it may read."""

    server_id: str
    project: str
    url: str
    secret: str

    def ask(self, path: str, **headers: str) -> requests.Response:
        signed = hmac.new(self.secret.encode(), self.server_id.encode(), hashlib.sha256)
        said = {
            "X-Instance-ID": self.server_id,
            "X-Tenant-ID": self.project,
            "X-Instance-ID-Signature": signed.hexdigest(),
        }
        said |= {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.get(self.url + path, headers=said, timeout=20)


@pytest.fixture(scope="module")
def guest(nova: Nova, cloud: Cloud) -> Iterator[Guest]:
    secret = re.search(r"metadata_secret = (\w+)", cloud.config_file.read_text())
    assert secret is not None
    server_id = nova.launch(
        name="reader-of-itself",
        user_data=base64.b64encode(b"#!/bin/sh\necho hello\n").decode(),
        metadata={"role": "web"},
    )
    url = f"http://127.0.0.1:{cloud.ports['metadata']}"
    yield Guest(server_id, nova.project, url, secret[1])
    nova.delete(server_id)


def test_a_signed_request_is_answered(guest: Guest) -> None:
    document = guest.ask("/openstack/latest/meta_data.json").json()
    assert (document["uuid"], document["meta"]) == (guest.server_id, {"role": "web"})
    assert document["name"] == document["hostname"].split(".")[0] == "reader-of-itself"
    assert guest.ask("/latest/user-data").text == "#!/bin/sh\necho hello\n"
    address = guest.ask("/latest/meta-data/local-ipv4").text
    assert address.startswith("10.9.")


def test_a_guest_learns_of_its_floating_ip(nova: Nova, guest: Guest) -> None:
    admin, demo = nova.connections["admin"].network, nova.connections["demo"].network
    public = admin.create_network(name="metadata-public", is_router_external=True)
    admin.create_subnet(
        network_id=public.id, ip_version=4, cidr="172.30.0.0/24", is_dhcp_enabled=False
    )
    router = admin.create_router(external_gateway_info={"network_id": public.id})
    shared = admin.get_network(nova.network)
    admin.add_interface_to_router(router, subnet_id=shared.subnet_ids[0])
    (port,) = demo.ports(device_id=guest.server_id)
    floating = demo.create_ip(floating_network_id=public.id, port_id=port.id)
    address = floating.floating_ip_address
    try:
        nova.until(lambda: guest.ask("/latest/meta-data/public-ipv4").text == address, "it is told")
        shown = nova.get(f"/servers/{guest.server_id}")["server"]["addresses"]
        assert address in [a["addr"] for of_one in shown.values() for a in of_one]
    finally:
        demo.delete_ip(floating)
        admin.remove_interface_from_router(router, subnet_id=shared.subnet_ids[0])
        admin.delete_router(router)
        admin.delete_network(public)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X_Instance_ID_Signature": "0" * 64}, 403),
        ({"X_Instance_ID_Signature": ""}, 403),
        ({"X_Instance_ID_Signature": "é"}, 403),
        ({"X_Instance_ID": "11111111-1111-1111-1111-111111111111"}, 403),
        ({"X_Tenant_ID": "f" * 32}, 404),
    ],
)
def test_any_other_request_is_refused(guest: Guest, headers, status) -> None:
    raw = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    assert guest.ask("/openstack/latest/meta_data.json", **raw).status_code == status
