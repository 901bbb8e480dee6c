"""`minova xray`: seventeen steps of a launch that went well, and the step where one did not."""

import json
import re
from typing import Any

import pytest
from openstack.connection import Connection

from tests.cloud import Cloud
from tests.nova import Nova

PROFILES = ("embedded", "mariadb", "postgresql")
TRANSPORTS = {"REST", "DB", "RPC call", "RPC cast", "libvirt"}


def steps_of(cloud: Cloud, name: str) -> list[dict[str, Any]]:
    shown = json.loads(cloud.minova("xray", name, "--json"))
    return list(shown["steps"])


def settled_steps(nova: Nova, cloud: Cloud, name: str) -> list[dict[str, Any]]:
    """The steps, once none is under way: spans reach the store a moment after the event."""
    found: list[dict[str, Any]] = []

    def all_there() -> bool:
        found[:] = steps_of(cloud, name)
        last = [s for s in found if s["status"] == "failed"] or found[-1:]
        return last[0]["status"] in ("ok", "failed")

    nova.until(all_there, "the X-ray is complete")
    return found


def test_a_launch_shows_seventeen_steps(nova: Nova, cloud: Cloud, left_as_found) -> None:
    demo: Connection = cloud.connect("demo")
    server = demo.compute.create_server(
        name="xrayed", flavor_id=nova.flavor, image_id=nova.image, networks="auto"
    )
    demo.compute.wait_for_server(server, interval=0.1, wait=60)
    steps = settled_steps(nova, cloud, "xrayed")
    assert [step["step"] for step in steps] == list(range(1, 18))
    assert {step["status"] for step in steps} == {"ok"}
    for step in steps:
        assert step["process"].startswith(("nova-", "minova-"))
        assert step["transport"] in TRANSPORTS
        assert re.fullmatch(r"minova/[\w/]+\.py:\w+", step["code"]), step
        assert step["start"] and step["duration_ms"] >= 0
        assert step["title"]
    starts = [step["start"] for step in steps[3:]]
    assert starts == sorted(starts)
    assert steps_of(cloud, server.id) == steps
    table = cloud.minova("xray", "xrayed")
    assert "Launch of xrayed" in table and table.count("✓") == 17
    nova.delete(server.id)


@pytest.fixture
def vast(nova: Nova) -> Any:
    """A flavor no host is large enough for."""
    compute = nova.connections["admin"].compute
    flavor = compute.create_flavor(name="vast", ram=64, vcpus=1, disk=10**6)
    yield flavor.id
    compute.delete_flavor(flavor)


def failed(nova: Nova, **values: Any) -> dict[str, Any]:
    """Launch something that cannot be; the server in ERROR."""
    answer = nova.call("POST", "/servers", nova.request(**values))
    assert answer.status_code == 202, answer.text
    server = nova.settled(answer.json()["server"]["id"])
    assert server["status"] == "ERROR"
    return server


def test_no_host_is_a_fault_of_the_scheduler(nova: Nova, cloud: Cloud, vast, left_as_found) -> None:
    server = failed(nova, name="too-vast", flavorRef=vast)
    assert server["fault"]["code"] == 500
    assert "No valid host" in server["fault"]["message"]
    assert "details" not in server["fault"]
    steps = settled_steps(nova, cloud, "too-vast")
    (bad,) = [step for step in steps if step["status"] == "failed" and step["step"] == 7]
    assert bad["process"] == "nova-scheduler" and "No valid host" in bad["reason"]
    assert {step["status"] for step in steps[7:]} == {"not reached"}
    table = cloud.minova("xray", "too-vast")
    assert "step 7 failed: No valid host" in table
    nova.delete(server["id"])


def test_a_full_network_is_a_fault_of_step_13(nova: Nova, cloud: Cloud, left_as_found) -> None:
    network = nova.connections["demo"].network
    small = network.create_network(name="small")
    subnet = network.create_subnet(network_id=small.id, ip_version=4, cidr="10.88.0.0/30")
    # The address beside the gateway's is the DHCP server's.
    server = failed(nova, name="no-address", networks=[{"uuid": small.id}])
    assert "step 13" in server["fault"]["message"]
    assert "No more IP addresses available" in server["fault"]["message"]
    steps = settled_steps(nova, cloud, "no-address")
    assert [s["step"] for s in steps if s["status"] == "failed"] == [13]
    assert "No more IP addresses" in steps[12]["reason"]
    nova.delete(server["id"])
    network.delete_subnet(subnet)
    network.delete_network(small)


def test_an_address_outside_the_network_is_a_fault_of_step_13(
    nova: Nova, cloud: Cloud, left_as_found
) -> None:
    server = failed(
        nova, name="outside", networks=[{"uuid": nova.network, "fixed_ip": "203.0.113.9"}]
    )
    assert "step 13" in server["fault"]["message"]
    assert "203.0.113.9" in server["fault"]["message"]
    nova.delete(server["id"])


def test_an_image_that_rotted_in_the_store_is_a_fault_of_step_12(
    nova: Nova, cloud: Cloud, left_as_found
) -> None:
    images = nova.connections["demo"].image
    image = images.create_image(
        name="rotten",
        disk_format="raw",
        container_format="bare",
        data=b"good" * 4096,
        validate_checksum=False,
    )
    (data,) = [path for path in (cloud.folder / "images").rglob(f"*{image.id}*") if path.is_file()]
    data.chmod(0o600)
    data.write_bytes(b"evil" * 4096)
    server = failed(nova, name="rotten-vm", imageRef=image.id)
    assert "step 12" in server["fault"]["message"]
    assert str(cloud.folder) not in server["fault"]["message"]
    steps = settled_steps(nova, cloud, "rotten-vm")
    assert [s["step"] for s in steps if s["status"] == "failed"] == [12]
    nova.delete(server["id"])
    images.delete_image(image)


def test_what_was_never_launched_is_said_so(cloud: Cloud, nova: Nova) -> None:
    with pytest.raises(AssertionError, match="No launch of a server nope is recorded"):
        cloud.minova("xray", "nope")
