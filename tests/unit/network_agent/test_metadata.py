"""What nova-api is told of a guest that asks."""

import hashlib
import hmac

import pytest

pytest.importorskip("pyroute2")

from minova.companions.network.agent.metadata import Guest, MetadataProxy


def test_the_signature_is_the_one_nova_api_computes() -> None:
    proxy = MetadataProxy("http://127.0.0.1:8775", "secret", lambda network, ip: None)
    told = proxy.headers(Guest("instance", "project"), "10.0.0.5")
    assert told == {
        "X-Instance-ID": "instance",
        "X-Tenant-ID": "project",
        "X-Forwarded-For": "10.0.0.5",
        "X-Instance-ID-Signature": hmac.new(b"secret", b"instance", hashlib.sha256).hexdigest(),
    }
