"""Servers that exist: lists, filters, pages, names, labels, and who sees them."""

import uuid

import pytest

NOBODY = str(uuid.uuid4())
FLEET = ["fleet-0", "fleet-1", "fleet-2"]
MIXED = ["fleet-0", "fleet-2", "fleet-1"]


@pytest.fixture(scope="module")
def fleet(nova):
    """Three servers; the second one is stopped and tagged."""
    ids = [nova.launch(name=f"fleet-{n}", metadata={"n": str(n)}) for n in range(3)]
    assert nova.act(ids[1], "os-stop").status_code == 202
    assert nova.settled(ids[1])["status"] == "SHUTOFF"
    assert nova.call("PUT", f"/servers/{ids[1]}/tags", {"tags": ["x", "y"]}).status_code == 200
    yield ids
    nova.delete(*ids)


def names(nova, query: str, **options) -> list[str]:
    return [s["name"] for s in nova.get(f"/servers?{query}", **options)["servers"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("name=fleet", ["fleet-2", "fleet-1", "fleet-0"]),
        ("name=fleet&sort_key=display_name&sort_dir=asc", ["fleet-0", "fleet-1", "fleet-2"]),
        ("name=^fleet-[12]$", ["fleet-2", "fleet-1"]),
        ("status=SHUTOFF", ["fleet-1"]),
        ("status=shutoff&status=ERROR", ["fleet-1"]),
        ("name=fleet&status=ACTIVE", ["fleet-2", "fleet-0"]),
        ("tags=x,y", ["fleet-1"]),
        ("tags-any=x,z", ["fleet-1"]),
        ("name=fleet&not-tags=x", ["fleet-2", "fleet-0"]),
        ("name=fleet&not-tags-any=x,q", ["fleet-2", "fleet-0"]),
        ("name=fleet&hostname=^fleet-[01]$", ["fleet-1", "fleet-0"]),
        ("name=fleet&sort_key=vcpus&sort_key=display_name&sort_dir=asc", FLEET),
        ("name=fleet&sort_key=power_state&sort_key=display_name&sort_dir=asc", MIXED),
        ("name=fleet&created_at=2001-01-01T00:00:00Z", []),
        ("name=fleet&status=ACTIVE&status=nope", ["fleet-2", "fleet-0"]),
        # What is not for everyone is ignored.
        ("name=fleet&uuid=x&description=x&display_name=x&soft_deleted=1&deleted=1", FLEET[::-1]),
        (f"name=fleet&project_id={NOBODY}", FLEET[::-1]),
        ("name=fleet&locked=true", []),
        ("name=fleet&locked=false&sort_key=locked", FLEET[::-1]),
        ("name=fleet&limit=2", ["fleet-2", "fleet-1"]),
        ("name=fleet&changes-since=2099-01-01T00:00:00Z", []),
        ("name=fleet&changes-before=2001-01-01T00:00:00Z", []),
        ("name=fleet&power_state=4", ["fleet-1"]),
        ("name=fleet&availability_zone=nova&limit=1", ["fleet-2"]),
        ("name=fleet&deleted=False", ["fleet-2", "fleet-1", "fleet-0"]),
        ("flavor=nope", []),
    ],
)
def test_a_list_holds_what_its_filters_ask_for(nova, fleet, query, expected) -> None:
    assert names(nova, query) == expected


def test_a_server_is_found_by_its_address(nova, fleet) -> None:
    address = nova.get(f"/servers/{fleet[0]}")["server"]["addresses"]["private"][0]["addr"]
    assert names(nova, f"ip=^{address}$") == ["fleet-0"]


def test_pages_follow_each_other_through_the_whole_list(nova, fleet) -> None:
    url, seen = "/servers/detail?name=fleet&limit=1", []
    for _ in range(3):
        body = nova.get(url)
        seen += [s["id"] for s in body["servers"]]
        (link,) = body["servers_links"]
        url = link["href"].removeprefix(nova.url)
    assert seen == fleet[::-1]
    assert nova.get(url) == {"servers": []}


@pytest.mark.parametrize(
    "query",
    [
        "limit=-1",
        "limit=x",
        f"marker={NOBODY}",
        "marker=x",
        "sort_key=nope",
        "sort_dir=up",
        "status=nope",
        "name=(",
        "name=(a%2B)%2B$",
        "name=(a|a)*(b|b)*(c|c)*(d|d)*(e|e)*",
        "changes-since=yesterday",
        "all_tenants=maybe",
        "metadata={}",
        "services=x",
        "vcpus=1",
        "bogus=1",
        "sort_key=name",
        "sort_dir=asc&sort_dir=asc",
        "created_at=yesterday",
        "key_name=(",
        "name=%00",
    ],
)
def test_a_list_refuses_what_it_does_not_understand(nova, query) -> None:
    nova.refused(400, "GET", f"/servers?{query}")


def test_each_version_has_its_own_filters(nova, fleet) -> None:
    every = {"name": "fleet", "sort_key": "display_name", "sort_dir": "asc"}

    def listed(version: str, user: str = "demo", **more: str) -> list[str]:
        query = "&".join(f"{k}={v}" for k, v in {**every, **more}.items())
        return names(nova, query, version=version, user=user)

    everywhere = {"user": "admin", "all_tenants": "1"}
    assert listed("2.74", metadata='{"n":"2"}') == FLEET
    assert listed("2.74", **everywhere, metadata='{"n":"2"}') == ["fleet-2"]
    assert listed("2.74", bogus="1") == FLEET
    assert listed("2.25", tags="x") == FLEET
    assert listed("2.26", tags="x") == ["fleet-1"]
    assert listed("2.72", locked="true") == FLEET
    assert listed("2.73", locked="true") == []
    assert listed("2.82", vm_state="stopped") == FLEET
    assert listed("2.83", vm_state="stopped") == ["fleet-1"]
    assert listed("2.82", **everywhere, vm_state="stopped") == ["fleet-1"]
    assert listed("2.89", hostname="fleet-2") == FLEET
    assert listed("2.4", ip6="nowhere") == FLEET
    assert listed("2.5", ip6="nowhere") == []
    assert listed("2.65", **{"changes-before": "2001-01-01T00:00:00Z"}) == FLEET
    assert listed("2.66", **{"changes-before": "2001-01-01T00:00:00Z"}) == []


def test_who_asks_what_has_changed_hears_of_what_is_gone(nova) -> None:
    server_id = nova.launch(name="went-away")
    nova.delete(server_id)
    assert names(nova, "name=went-away") == []
    for when in ("changes-since=2001-01-01T00:00:00Z", "changes-before=2099-01-01T00:00:00Z"):
        found = nova.get(f"/servers/detail?name=went-away&{when}")["servers"]
        assert [s["status"] for s in found] == ["DELETED"]


def test_a_page_does_not_begin_at_another_projects_server(nova, fleet) -> None:
    nova.refused(400, "GET", f"/servers?marker={fleet[0]}", user="stranger")
    assert nova.call("GET", f"/servers?marker={fleet[0]}").status_code == 200


def test_only_an_admin_sorts_by_host(nova) -> None:
    assert "sort servers by host" in nova.refused(403, "GET", "/servers?sort_key=host")
    assert nova.call("GET", "/servers?sort_key=host", user="admin").status_code == 200


def test_before_2_38_an_unknown_status_lists_nothing(nova) -> None:
    assert nova.get("/servers?status=nope", version="2.37") == {"servers": []}


def test_only_an_admin_lists_every_projects_servers(nova, fleet) -> None:
    nova.refused(403, "GET", "/servers?all_tenants=True")
    assert "fleet-0" not in names(nova, "", user="admin")
    assert "fleet-0" in names(nova, "all_tenants=True", user="admin")
    assert "fleet-0" in names(nova, f"all_tenants=1&project_id={nova.project}", user="admin")
    assert names(nova, "all_tenants=1&host=nowhere", user="admin") == []
    # What is not for everyone is ignored, as nova does.
    assert "fleet-0" in names(nova, "host=nowhere")


def test_an_admin_lists_what_was_deleted(nova) -> None:
    server_id = nova.launch(name="gone")
    nova.delete(server_id)
    found = nova.get("/servers/detail?deleted=True&all_tenants=1&name=gone", user="admin")
    assert [s["status"] for s in found["servers"]] == ["DELETED"]
    nova.refused(403, "GET", "/servers?status=DELETED")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {"server": {"name": "mine"}}),
        ("DELETE", "", None),
        ("POST", "/action", {"os-stop": None}),
        ("GET", "/os-volume_attachments", None),
        ("GET", "/os-interface", None),
        ("GET", "/os-instance-actions", None),
        ("GET", "/os-security-groups", None),
        ("GET", "/metadata", None),
        ("PUT", "/tags", {"tags": []}),
        ("GET", "/ips", None),
    ],
)
def test_a_foreign_server_does_not_exist_for_others(nova, fleet, method, path, body) -> None:
    for server_id in (fleet[0], NOBODY, "no-such", "%00", "x" * 300):
        nova.refused(404, method, f"/servers/{server_id}{path}", body, user="stranger")


def test_a_reader_looks_and_does_not_touch(nova, fleet) -> None:
    assert nova.get(f"/servers/{fleet[0]}", user="reader")["server"]["name"] == "fleet-0"
    nova.refused(403, "DELETE", f"/servers/{fleet[0]}", user="reader")
    nova.refused(403, "POST", f"/servers/{fleet[0]}/action", {"os-stop": None}, user="reader")
    nova.refused(403, "POST", f"/servers/{fleet[0]}/metadata", {"metadata": {}}, user="reader")


def test_a_resource_without_an_id_is_not_found(nova) -> None:
    for path in ("/servers/", "/os-security-groups/"):
        nova.refused(404, "DELETE", path, version="2.1")


def test_a_page_of_no_servers_is_empty(nova, fleet) -> None:
    for path in ("/servers", "/servers/detail"):
        assert nova.get(f"{path}?limit=0") == {"servers": []}


def test_names_and_descriptions_change(nova, fleet) -> None:
    long = "2001:0db8:0000:0000:0000:0000:0.0.0.1"
    body = {"server": {"name": "renamed", "description": "new", "accessIPv6": long}}
    shown = nova.call("PUT", f"/servers/{fleet[0]}", body).json()["server"]
    assert (shown["name"], shown["description"]) == ("renamed", "new")
    assert shown["accessIPv6"] == "2001:db8::1" and "key_name" in shown
    old = nova.call("PUT", f"/servers/{fleet[0]}", {"server": {"name": "fleet-0"}}, version="2.1")
    assert "key_name" not in old.json()["server"]
    nova.refused(400, "PUT", f"/servers/{fleet[0]}", {"server": {"name": ""}})


def test_metadata_is_added_replaced_and_taken_away(nova, fleet) -> None:
    path = f"/servers/{fleet[2]}/metadata"
    added = nova.call("POST", path, {"metadata": {"a": "1"}}).json()
    assert added == {"metadata": {"n": "2", "a": "1"}}
    assert nova.call("PUT", f"{path}/a", {"meta": {"a": "2"}}).json() == {"meta": {"a": "2"}}
    assert nova.get(f"{path}/a") == {"meta": {"a": "2"}}
    assert nova.call("DELETE", f"{path}/a").status_code == 204
    nova.refused(404, "GET", f"{path}/a")
    nova.refused(400, "PUT", f"{path}/a", {"meta": {"b": "2"}})
    nova.refused(400, "POST", path, {"metadata": {"a": "x" * 256}})
    many = {"metadata": {str(n): "x" for n in range(200)}}
    message = nova.refused(403, "POST", path, many)
    assert message == "Maximum number of metadata items exceeds 128"
    replaced = nova.call("PUT", path, {"metadata": {"n": "2"}}).json()
    assert replaced == {"metadata": {"n": "2"}}


def test_tags_are_added_asked_for_and_taken_away(nova, fleet) -> None:
    path = f"/servers/{fleet[2]}/tags"
    assert nova.call("PUT", f"{path}/blue").status_code == 201
    assert nova.call("PUT", f"{path}/blue").status_code == 204
    assert nova.call("GET", f"{path}/blue").status_code == 204
    assert nova.get(path) == {"tags": ["blue"]}
    nova.refused(404, "GET", f"{path}/red")
    nova.refused(400, "PUT", f"{path}/a,b")
    assert nova.call("DELETE", f"{path}/blue").status_code == 204
    nova.refused(404, "DELETE", f"{path}/blue")
    nova.refused(404, "GET", path, version="2.25")


def test_addresses_interfaces_and_groups_of_a_server_agree(nova, fleet) -> None:
    address = nova.get(f"/servers/{fleet[2]}/ips")["addresses"]["private"]
    assert nova.get(f"/servers/{fleet[2]}/ips/private") == {"private": address}
    nova.refused(404, "GET", f"/servers/{fleet[2]}/ips/other")
    (interface,) = nova.get(f"/servers/{fleet[2]}/os-interface")["interfaceAttachments"]
    assert interface["fixed_ips"][0]["ip_address"] == address[0]["addr"]
    same = nova.get(f"/servers/{fleet[2]}/os-interface/{interface['port_id']}")
    assert same["interfaceAttachment"] == interface
    nova.refused(404, "GET", f"/servers/{fleet[2]}/os-interface/{NOBODY}")
    (group,) = nova.get(f"/servers/{fleet[2]}/os-security-groups")["security_groups"]
    assert group["name"] == "default"
    assert nova.get(f"/servers/{fleet[2]}/topology") == {"nodes": [], "pagesize_kb": None}
