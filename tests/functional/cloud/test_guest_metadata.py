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
