"""Aggregates, and the availability zones they are, as operators and users see them."""

import uuid

import pytest

from tests.nova import Nova

PATH = "/os-aggregates"


@pytest.fixture
def made(nova: Nova):
    """Makes aggregates, and takes them away with their hosts."""
    ids: list[int] = []

    def make(zone=None, **options):
        body = {"aggregate": {"name": f"a-{uuid.uuid4().hex[:8]}", "availability_zone": zone}}
        answer = nova.call("POST", PATH, body, user="admin", **options)
        assert answer.status_code == 200, answer.text
        ids.append(answer.json()["aggregate"]["id"])
        return answer.json()["aggregate"]

    yield make
    for number in ids:
        if nova.call("GET", f"{PATH}/{number}", user="admin").status_code == 200:
            act(nova, number, "remove_host", host="host-1")
            assert nova.call("DELETE", f"{PATH}/{number}", user="admin").status_code == 200


def act(nova: Nova, number: int, action: str, **values):
    return nova.call("POST", f"{PATH}/{number}/action", {action: values}, user="admin")


def refused(nova: Nova, status: int, number: int, action: str, **values) -> str:
    path = f"{PATH}/{number}/action"
    return nova.refused(status, "POST", path, {action: values}, user="admin")


def test_an_aggregate_is_made_shown_renamed_and_deleted(nova, made) -> None:
    old = made(version="2.40")
    assert set(old) == {
        *("id", "name", "availability_zone", "created_at", "updated_at", "deleted"),
        "deleted_at",
    }
    path = f"{PATH}/{old['id']}"
    shown = nova.get(path, user="admin", version="2.41")["aggregate"]
    assert shown == {**old, "uuid": shown["uuid"], "hosts": [], "metadata": {}}
    assert shown in nova.get(PATH, user="admin", version="2.41")["aggregates"]
    name = {"aggregate": {"name": "b" + old["name"]}}
    renamed = nova.call("PUT", path, name, user="admin").json()["aggregate"]
    assert renamed["name"] == "b" + old["name"] and renamed["updated_at"]
    taken = {"aggregate": {"name": renamed["name"]}}
    message = nova.refused(409, "POST", PATH, taken, user="admin")
    assert message == f"Aggregate {renamed['name']} already exists."
    nova.refused(409, "PUT", f"{PATH}/{made()['id']}", taken, user="admin")
    gone = nova.call("DELETE", path, user="admin")
    assert (gone.status_code, gone.text) == (200, "")
    message = nova.refused(404, "GET", path, user="admin")
    assert message == f"Aggregate {old['id']} could not be found."


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "", {"aggregate": {}}, 400),
        ("POST", "", {"aggregate": {"name": ""}}, 400),
        ("POST", "", {"aggregate": {"name": "x", "availability_zone": ""}}, 400),
        ("POST", "", {"aggregate": {"name": "x", "availability_zone": "a:b"}}, 400),
        ("POST", "", {"aggregate": {"name": "x", "other": 1}}, 400),
        ("GET", "/x", None, 400),
        ("PUT", "/999999", {"aggregate": {"name": "x"}}, 404),
        ("PUT", "/999999", {"aggregate": {}}, 400),
        ("DELETE", "/999999", None, 404),
        ("POST", "/999999/action", {"add_host": {"host": "host-1"}}, 404),
        ("POST", "/999999/action", {"fly": {}}, 400),
        ("POST", "/999999/action", {"add_host": {}}, 400),
        ("POST", "/999999/images", {"cache": [{"id": str(uuid.uuid4())}]}, 404),
    ],
)
def test_senseless_requests_are_refused(nova, method, path, body, status) -> None:
    nova.refused(status, method, PATH + path, body, user="admin")


def test_aggregates_are_the_operators(nova, made) -> None:
    number = made()["id"]
    for method, path, body in (
        ("GET", "", None),
        ("POST", "", {"aggregate": {"name": "x"}}),
        ("GET", f"/{number}", None),
        ("PUT", f"/{number}", {"aggregate": {"name": "x"}}),
        ("DELETE", f"/{number}", None),
        ("POST", f"/{number}/action", {"add_host": {"host": "host-1"}}),
        ("POST", f"/{number}/images", {"cache": [{"id": str(uuid.uuid4())}]}),
    ):
        nova.refused(403, method, PATH + path, body)


def test_a_host_is_put_in_and_taken_out(nova, made) -> None:
    number = made()["id"]
    shown = act(nova, number, "add_host", host="host-1").json()["aggregate"]
    assert shown["hosts"] == ["host-1"]
    message = refused(nova, 409, number, "add_host", host="host-1")
    assert message == f"Aggregate {number} already has host host-1."
    message = refused(nova, 404, number, "add_host", host="nowhere")
    assert message == "Compute host nowhere could not be found."
    message = nova.refused(400, "DELETE", f"{PATH}/{number}", user="admin")
    assert "Host aggregate is not empty" in message
    gone = act(nova, number, "remove_host", host="host-1").json()["aggregate"]
    assert gone["hosts"] == []
    message = refused(nova, 404, number, "remove_host", host="host-1")
    assert message == f"Cannot remove host host-1 in aggregate {number}"


def test_metadata_is_set_and_forgotten(nova, made) -> None:
    number = made()["id"]
    shown = act(nova, number, "set_metadata", metadata={"ssd": "true", "b": "1"}).json()
    assert shown["aggregate"]["metadata"] == {"ssd": "true", "b": "1"}
    shown = act(nova, number, "set_metadata", metadata={"b": None}).json()
    assert shown["aggregate"]["metadata"] == {"ssd": "true"}
    zoned = act(nova, number, "set_metadata", metadata={"availability_zone": "az-m"}).json()
    assert zoned["aggregate"]["availability_zone"] == "az-m"
    refused(nova, 400, number, "set_metadata", metadata={"availability_zone": ""})
    refused(nova, 400, number, "set_metadata", metadata={"x": 1})
    none = {"aggregate": {"availability_zone": None}}
    message = nova.refused(400, "PUT", f"{PATH}/{number}", none, user="admin")
    assert "does not support empty named availability zone" in message


def test_a_zone_is_where_its_hosts_are_and_servers_are_launched_into_it(nova, made) -> None:
    first, second = made("az-1"), made("az-2")
    assert nova.get("/os-availability-zone")["availabilityZoneInfo"] == [
        {"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}
    ]
    elsewhere = nova.request(availability_zone="az-1")
    message = nova.refused(400, "POST", "/servers", elsewhere)
    assert message == "The requested availability zone is not available"
    assert act(nova, first["id"], "add_host", host="host-1").status_code == 200
    message = refused(nova, 409, second["id"], "add_host", host="host-1")
    assert "already in availability zone(s) ['az-1']" in message
    (zone,) = nova.get("/os-availability-zone")["availabilityZoneInfo"]
    assert (zone["zoneName"], zone["zoneState"]) == ("az-1", {"available": True})
    detail = nova.get("/os-availability-zone/detail", user="admin")["availabilityZoneInfo"]
    hosts = {entry["zoneName"]: entry["hosts"] for entry in detail}
    assert "nova-compute" in hosts["az-1"]["host-1"] and "internal" in hosts
    (compute,) = nova.get("/os-services?binary=nova-compute", user="admin")["services"]
    assert compute["zone"] == "az-1"
    # Asked for or not, a server is where its host is.
    asked, placed = nova.launch(availability_zone="az-1"), nova.launch()
    for server_id, pinned in ((asked, "az-1"), (placed, None)):
        shown = nova.get(f"/servers/{server_id}")["server"]
        assert shown["OS-EXT-AZ:availability_zone"] == "az-1"
        assert shown["pinned_availability_zone"] == pinned
    found = nova.get("/servers?availability_zone=az-1", user="admin")["servers"]
    assert not found  # the admin's own project has none
    nova.refused(400, "POST", "/servers", nova.request(availability_zone="nova"))
    # While servers are there, the host stays in its zone.
    refused(nova, 409, first["id"], "remove_host", host="host-1")
    moved = {"aggregate": {"availability_zone": "az-3"}}
    message = nova.refused(400, "PUT", f"{PATH}/{first['id']}", moved, user="admin")
    assert "One or more hosts contain instances in this zone" in message
    nova.delete(asked, placed)
    changed = nova.call("PUT", f"{PATH}/{first['id']}", moved, user="admin").json()
    assert changed["aggregate"]["metadata"] == {"availability_zone": "az-3"}


def test_a_flavor_can_ask_for_an_aggregate(nova, made) -> None:
    body = {"flavor": {"name": "picky", "ram": 64, "vcpus": 1, "disk": 1}}
    flavor = nova.call("POST", "/flavors", body, user="admin").json()["flavor"]["id"]
    specs = {"extra_specs": {"aggregate_instance_extra_specs:ssd": "<or> yes <or> true"}}
    path = f"/flavors/{flavor}/os-extra_specs"
    assert nova.call("POST", path, specs, user="admin").status_code == 200
    server_id = nova.call("POST", "/servers", nova.request(flavorRef=flavor)).json()["server"]["id"]
    assert "AggregateInstanceExtraSpecsFilter" in nova.settled(server_id)["fault"]["message"]
    number = made()["id"]
    act(nova, number, "add_host", host="host-1")
    act(nova, number, "set_metadata", metadata={"ssd": "no, true"})
    there = nova.launch(flavorRef=flavor)
    nova.delete(server_id, there)
    assert nova.call("DELETE", f"/flavors/{flavor}", user="admin").status_code == 202


def test_an_aggregates_hosts_cache_an_image_beforehand(nova, made, cloud) -> None:
    number = made()["id"]
    act(nova, number, "add_host", host="host-1")
    path, image = f"{PATH}/{number}/images", {"id": nova.image}
    nova.refused(404, "POST", path, {"cache": [image]}, user="admin", version="2.80")
    nova.refused(400, "POST", path, {"cache": []}, user="admin")
    message = nova.refused(400, "POST", path, {"cache": [image, image]}, user="admin")
    assert message == "Duplicate images in request"
    nova.refused(404, "POST", path, {"cache": [{"id": str(uuid.uuid4())}]}, user="admin")
    answer = nova.call("POST", path, {"cache": [image]}, user="admin")
    assert (answer.status_code, answer.text) == (202, "")
    nova.until(lambda: f"image {nova.image} is cached" in cloud.log("minova"), "it is cached")
