"""The list of migrations, version by version; and moves that this cloud cannot make."""

import uuid

import pytest

PLAIN = {
    *("id", "instance_uuid", "status", "source_compute", "source_node", "dest_compute"),
    *("dest_node", "dest_host", "old_instance_type_id", "new_instance_type_id"),
    *("created_at", "updated_at"),
}
ADDED = {
    "2.22": set(),
    "2.23": {"migration_type"},
    "2.59": {"migration_type", "uuid"},
    "2.80": {"migration_type", "uuid", "user_id", "project_id"},
}


@pytest.fixture(scope="module")
def larger(nova):
    admin = nova.connections["admin"].compute
    flavor = admin.create_flavor(name="migrations-larger", ram=96, vcpus=1, disk=1)
    yield flavor.id
    admin.delete_flavor(flavor)


@pytest.fixture(scope="module")
def moved(nova, larger):
    """A server resized and reverted, then migrated and confirmed."""
    server = nova.launch(name="moved")
    for user, begin, end in (
        ("demo", ("resize", {"flavorRef": larger}), "revertResize"),
        ("admin", ("migrate", None), "confirmResize"),
    ):
        assert nova.act(server, *begin, user=user).status_code == 202
        assert nova.settled(server)["status"] == "VERIFY_RESIZE"
        assert nova.act(server, end).status_code in (202, 204)
        nova.until(lambda: nova.settled(server)["status"] == "ACTIVE", "it is active")
    yield server
    nova.delete(server)


def listed(nova, query="", version="2.96"):
    return nova.get(f"/os-migrations{query}", user="admin", version=version)["migrations"]


@pytest.mark.parametrize("version", ADDED)
def test_migrations_have_the_fields_of_their_version(nova, moved, version) -> None:
    found = listed(nova, f"?instance_uuid={moved}", version)
    assert all(set(entry) == PLAIN | ADDED[version] for entry in found)
    statuses = [entry["status"] for entry in found]
    # From 2.59 on the newest is the first.
    in_order = ["reverted", "confirmed"]
    assert statuses == (in_order if version < "2.59" else in_order[::-1])


def test_migrations_are_found_by_what_they_are(nova, moved) -> None:
    own = f"?instance_uuid={moved}"
    (resize,) = listed(nova, own + "&migration_type=resize")
    assert resize["old_instance_type_id"] != resize["new_instance_type_id"]
    assert resize["source_compute"] == resize["dest_compute"] == "host-1"
    assert [m["status"] for m in listed(nova, own + "&status=confirmed")] == ["confirmed"]
    assert len(listed(nova, own + "&host=host-1")) == 2
    assert listed(nova, own + "&host=elsewhere") == []
    assert len(listed(nova, own + "&source_compute=host-1")) == 2
    assert len(listed(nova, own + f"&project_id={nova.project}")) == 1
    assert listed(nova, own + f"&user_id={uuid.uuid4()}") == []
    assert len(listed(nova, own + "&changes-since=2020-01-01T00:00:00Z")) == 2
    assert listed(nova, own + "&changes-before=2020-01-01T00:00:00Z") == []
    assert listed(nova, f"?instance_uuid={uuid.uuid4()}") == []


def test_migrations_come_in_pages(nova, moved) -> None:
    query = f"/os-migrations?instance_uuid={moved}&limit=1"
    first = nova.get(query, user="admin")
    (link,) = first["migrations_links"]
    assert link["rel"] == "next"
    rest = nova.get(link["href"].removeprefix(nova.url), user="admin")
    assert [m["status"] for m in first["migrations"] + rest["migrations"]] == [
        "confirmed",
        "reverted",
    ]


@pytest.mark.parametrize(
    ("version", "query", "status"),
    [
        ("2.58", "?whatever=1", 200),
        ("2.59", "?whatever=1", 400),
        ("2.59", "?changes-before=2020-01-01T00:00:00Z", 400),
        ("2.59", "?changes-since=yesterday", 400),
        ("2.66", "?changes-since=2021-01-01T00:00:00Z&changes-before=2020-01-01T00:00:00Z", 400),
        ("2.66", "?user_id=me", 400),
        ("2.80", "?user_id=me", 200),
        ("2.59", f"?marker={uuid.uuid4()}", 400),
        ("2.59", "?limit=few", 400),
    ],
)
def test_a_query_means_what_its_version_says(nova, version, query, status) -> None:
    answer = nova.call("GET", f"/os-migrations{query}", user="admin", version=version)
    assert answer.status_code == status, answer.text


def test_only_administrators_see_migrations(nova, moved) -> None:
    for path in ("/os-migrations", f"/servers/{moved}/migrations"):
        assert nova.call("GET", path).status_code == 403


def test_no_live_migration_is_ever_in_progress(nova, moved) -> None:
    path = f"/servers/{moved}/migrations"
    assert nova.get(path, user="admin")["migrations"] == []
    (resize, *_) = listed(nova, f"?instance_uuid={moved}")
    number = resize["id"]
    said = nova.refused(404, "GET", f"{path}/{number}", user="admin")
    assert said == f"Migration {number} for server {moved} is not live-migration."
    nova.refused(404, "GET", f"{path}/99999", user="admin")
    force = {"force_complete": None}
    said = nova.refused(409, "POST", f"{path}/{number}/action", force, user="admin")
    assert said == (f"Cannot 'force_complete' instance {moved} while it is in task_state None")
    nova.refused(409, "DELETE", f"{path}/{number}", user="admin")
    for method, since in (("GET", "2.22"), ("DELETE", "2.23")):
        nova.refused(404, method, f"{path}/{number}", user="admin", version=since)


def live(nova, server, version, **wanted):
    body = {"os-migrateLive": wanted}
    return nova.call("POST", f"/servers/{server}/action", body, user="admin", version=version)


@pytest.mark.parametrize(
    ("version", "wanted", "status"),
    [
        ("2.1", {"host": None, "block_migration": False, "disk_over_commit": False}, 400),
        ("2.25", {"host": None, "block_migration": "auto"}, 400),
        ("2.34", {"host": None, "block_migration": "auto"}, 202),
        ("2.67", {"host": "host-1", "block_migration": "auto", "force": True}, 202),
        ("2.68", {"host": None, "block_migration": "auto"}, 202),
        # What these versions do not know, or want.
        ("2.1", {"host": None, "block_migration": "auto", "disk_over_commit": False}, 400),
        ("2.25", {"host": None, "block_migration": "auto", "disk_over_commit": False}, 400),
        ("2.68", {"host": "host-1", "block_migration": "auto", "force": True}, 400),
        ("2.34", {"host": "nowhere", "block_migration": "auto"}, 400),
        ("2.34", {"block_migration": "auto"}, 400),
    ],
)
def test_a_live_migration_finds_no_host(nova, moved, version, wanted, status) -> None:
    answer = live(nova, moved, version, **wanted)
    assert answer.status_code == status, answer.text
    assert nova.settled(moved)["status"] == "ACTIVE"


def test_a_live_migration_that_failed_is_in_the_list(nova, moved) -> None:
    refused = live(nova, moved, "2.30", host=None, block_migration="auto")
    assert "No valid host was found." in refused.text
    newest = listed(nova, f"?instance_uuid={moved}")[0]
    assert (newest["migration_type"], newest["status"]) == ("live-migration", "error")
    (last, *_) = nova.get(f"/servers/{moved}/os-instance-actions")["instanceActions"]
    assert last["action"] == "live-migration"
    assert last["message"].startswith("No valid host was found.")
    own = live(nova, moved, "2.30", host="host-1", block_migration="auto")
    assert "to current host (host-1)" in own.text


@pytest.mark.parametrize(
    ("version", "wanted", "status", "words"),
    [
        ("2.13", {"onSharedStorage": False}, 400, "Compute service of host-1 is still in use."),
        ("2.13", {}, 400, "onSharedStorage"),
        ("2.13", {"onSharedStorage": True, "adminPass": "x"}, 400, "existing disk"),
        ("2.14", {}, 400, "still in use"),
        ("2.14", {"onSharedStorage": False}, 400, "onSharedStorage"),
        ("2.28", {"host": "nowhere", "force": True}, 400, "force"),
        ("2.29", {"force": True}, 400, "force"),
        ("2.67", {"host": "nowhere"}, 404, "Compute host nowhere not found."),
        ("2.95", {"host": "host-1"}, 400, "The target host can't be the same one."),
    ],
)
def test_a_server_is_not_evacuated_from_a_host_that_lives(
    nova, moved, version, wanted, status, words
) -> None:
    said = nova.refused(
        status,
        "POST",
        f"/servers/{moved}/action",
        {"evacuate": wanted},
        user="admin",
        version=version,
    )
    assert words in said


def test_an_evacuation_without_another_host_fails_the_server(nova) -> None:
    server = nova.launch(name="stranded")
    down = {"host": "host-1", "binary": "nova-compute", "forced_down": True}
    nova.call("PUT", "/os-services/force-down", down, user="admin", version="2.11")
    try:
        answer = nova.act(server, "evacuate", {}, user="admin", version="2.14")
        assert (answer.status_code, answer.content) == (200, b"")
        ended = nova.settled(server)
        assert nova.act(server, "resize", {"flavorRef": "any"}).status_code == 409
        assert nova.act(server, "migrate", user="admin").status_code == 409
    finally:
        down["forced_down"] = False
        nova.call("PUT", "/os-services/force-down", down, user="admin", version="2.11")
    assert ended["status"] == "ERROR"
    assert ended["fault"]["message"].startswith("No valid host was found.")
    nova.delete(server)


def test_a_migration_to_a_wrong_host_is_refused(nova, moved) -> None:
    for host, words in (
        ("host-1", "Cannot migrate to the host where the server exists."),
        ("nowhere", "Compute host nowhere could not be found."),
    ):
        said = nova.refused(
            400, "POST", f"/servers/{moved}/action", {"migrate": {"host": host}}, user="admin"
        )
        assert said == words
