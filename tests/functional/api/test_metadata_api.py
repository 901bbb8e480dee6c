"""What a guest reads of itself, and that nobody else can."""

import base64
import hashlib
import hmac
import re

import pytest
import requests

from tests.nova import PUBLIC_KEY


@pytest.fixture(scope="module")
def guest(nova, cloud):
    """Ask the metadata API as the agent of the guest's host does."""
    key = {"keypair": {"name": "guest", "public_key": PUBLIC_KEY}}
    nova.call("POST", "/os-keypairs", key)
    server_id = nova.launch(
        name="guest",
        key_name="guest",
        user_data=base64.b64encode(b"#!/bin/sh\necho hi\n").decode(),
        metadata={"role": "web"},
    )
    secret = re.search(r"metadata_secret = (\w+)", cloud.config_file.read_text())[1]
    signature = hmac.new(secret.encode(), server_id.encode(), hashlib.sha256).hexdigest()

    def ask(path: str, **headers: str | None) -> requests.Response:
        said = {
            "X-Instance-ID": server_id,
            "X-Tenant-ID": nova.project,
            "X-Instance-ID-Signature": signature,
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        url = f"http://127.0.0.1:{cloud.ports['metadata']}{path}"
        kept = {name: value for name, value in said.items() if value is not None}
        return requests.get(url, headers=kept, timeout=10)

    ask.server_id = server_id
    yield ask
    nova.delete(server_id)
    nova.call("DELETE", "/os-keypairs/guest")


def test_the_openstack_documents(guest, nova) -> None:
    assert "latest" in guest("/openstack").text.split()
    names = guest("/openstack/latest/").text.split()
    assert {"meta_data.json", "user_data", "network_data.json", "vendor_data.json"} <= set(names)
    answer = guest("/openstack/latest/meta_data.json")
    document = answer.json()
    assert answer.headers["Content-Type"].startswith("application/json")
    assert document["uuid"] == guest.server_id
    assert document["meta"] == {"role": "web"}
    assert document["public_keys"] == {"guest": PUBLIC_KEY}
    assert guest("/openstack/latest/user_data").content == b"#!/bin/sh\necho hi\n"
    (link,) = guest("/openstack/latest/network_data.json").json()["links"]
    address = nova.get(f"/servers/{guest.server_id}")["server"]["addresses"]["private"][0]
    assert link["ethernet_mac_address"] == address["OS-EXT-IPS-MAC:mac_addr"]


def test_the_ec2_tree(guest, nova) -> None:
    assert "2009-04-04" in guest("/").text.split()
    assert guest("/latest/").text.split() == ["meta-data/", "user-data"]
    assert "public-keys/" in guest("/2009-04-04/meta-data/").text.split()
    address = nova.get(f"/servers/{guest.server_id}")["server"]["addresses"]["private"][0]["addr"]
    assert guest("/latest/meta-data/local-ipv4").text == address
    assert guest("/latest/meta-data/public-keys/").text == "0=guest"
    assert guest("/latest/meta-data/public-keys/0/openssh-key").text == PUBLIC_KEY
    assert guest("/latest/meta-data/hostname").text == "guest.novalocal"
    assert guest("/latest/user-data").content == b"#!/bin/sh\necho hi\n"


@pytest.mark.parametrize(
    "path",
    [
        "/nope",
        "/latest/nope",
        "/latest/meta-data/nope",
        "/latest/meta-data/public-keys/_name",
        "/openstack/1999-01-01/meta_data.json",
        "/openstack/latest/nope",
        "/openstack/latest/meta_data.json/x",
        "/../../etc/passwd",
    ],
)
def test_what_is_not_there_is_404(guest, path) -> None:
    assert guest(path).status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X_Instance_ID_Signature": "0" * 64}, 403),
        ({"X_Instance_ID_Signature": None}, 403),
        ({"X_Instance_ID": "11111111-1111-1111-1111-111111111111"}, 403),
        ({"X_Instance_ID": None}, 400),
        ({"X_Tenant_ID": None}, 400),
        ({"X_Tenant_ID": "f" * 32}, 404),
    ],
)
def test_cve_2013_6419_a_forged_instance_id_is_refused(guest, headers, status) -> None:
    assert guest("/openstack/latest/meta_data.json", **headers).status_code == status
