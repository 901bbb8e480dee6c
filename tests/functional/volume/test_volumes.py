"""Volumes as their owner sees them."""

import subprocess
import uuid

import pytest

GIB = 1024**3
CLIENT_NULLS = dict.fromkeys(
    (
        *("imageRef", "volume_type", "source_volid", "backup_id", "snapshot_id", "description"),
        *("availability_zone", "metadata", "consistencygroup_id"),
    )
)


def test_the_commands_of_openstackclient_work_with_their_nulls(cloud):
    body = {"volume": {"size": 1, "name": "vol1", **CLIENT_NULLS}}
    answer = cloud("POST", "/v3/" + "a" * 32 + "/volumes", body)
    assert answer.status_code == 202
    created = answer.json()["volume"]
    assert created["status"] == "creating"
    assert created["metadata"] == {}
    volume = cloud.wait(created["id"], "available")
    assert volume["size"] == 1
    assert volume["bootable"] == "false"
    assert volume["attachments"] == []
    assert cloud("GET", "/v3/" + "a" * 32 + "/volumes/vol1").status_code == 404
    found = cloud.ok("GET", "/v3/" + "a" * 32 + "/volumes/detail?name=vol1")["volumes"]
    assert [each["id"] for each in found] == [created["id"]]
    path = f"/v3/{'a' * 32}/volumes/{created['id']}?cascade=False&force=False"
    assert cloud("DELETE", path).status_code == 202
    cloud.wait_gone(created["id"])
    assert not cloud.file(created["id"]).exists()


@pytest.mark.parametrize("fmt", ["raw", "qcow2"])
def test_a_new_volume_is_empty_sparse_and_private(make_cloud, fmt):
    cloud = make_cloud(format=fmt)
    file = cloud.file(cloud.create(size=3))
    assert file.stat().st_blocks * 512 < 1024**2
    assert file.stat().st_mode & 0o777 == 0o600
    info = subprocess.run(
        ["qemu-img", "map", "-f", fmt, "--output=json", file], capture_output=True, check=True
    )
    assert b'"data": true' not in info.stdout
    if fmt == "raw":
        assert file.stat().st_size == 3 * GIB


def test_names_descriptions_and_metadata_change(cloud):
    volume_id = cloud.create(name="old", metadata={"Type": "Test"})
    body = {"volume": {"name": "new", "description": "words"}}
    changed = cloud.ok("PUT", f"/v3/volumes/{volume_id}", body)["volume"]
    assert (changed["name"], changed["description"]) == ("new", "words")
    path = f"/v3/volumes/{volume_id}/metadata"
    assert cloud.ok("POST", path, {"metadata": {"a": "1"}}) == {"metadata": {"a": "1"}}
    assert cloud.ok("GET", path) == {"metadata": {"Type": "Test", "a": "1"}}
    assert cloud.ok("PUT", f"{path}/a", {"meta": {"a": "2"}}) == {"meta": {"a": "2"}}
    assert cloud.ok("GET", f"{path}/a") == {"meta": {"a": "2"}}
    assert cloud("DELETE", f"{path}/a").status_code == 200
    assert cloud("GET", f"{path}/a").status_code == 404
    assert cloud.ok("PUT", path, {"metadata": {"b": "3"}}) == {"metadata": {"b": "3"}}
    assert cloud.volume(volume_id)["metadata"] == {"b": "3"}


def test_lists_filter_sort_and_page(cloud):
    ids = [cloud.create(name=name, metadata={"Type": "work"}) for name in ("a", "b", "c")]
    cloud.act(ids[1], "os-set_bootable", {"bootable": True})

    def names(query, **options):
        found = cloud.ok("GET", f"/v3/volumes/detail?{query}", **options)["volumes"]
        return [volume["name"] for volume in found]

    assert names("") == ["c", "b", "a"]
    assert names("sort=name:asc") == ["a", "b", "c"]
    assert names("sort_key=name&sort_dir=desc") == ["c", "b", "a"]
    assert names("bootable=true") == ["b"]
    assert names("status=available&name=a") == ["a"]
    assert names("status=error") == []
    assert names("availability_zone=nova&sort=name:asc") == ["a", "b", "c"]
    assert names("metadata=%7B%27Type%27%3A+%27work%27%7D&limit=1") == ["c"]
    assert names("metadata=%7B%22Type%22%3A+%22play%22%7D") == []
    assert names("created_at=gt:2020-01-01T00:00:00&sort=name:asc") == ["a", "b", "c"]
    assert names("created_at=lt:2020-01-01T00:00:00") == []
    page = cloud.ok("GET", "/v3/volumes/detail?limit=2&sort=name:asc&with_count=true")
    assert [volume["name"] for volume in page["volumes"]] == ["a", "b"]
    assert page["count"] == 3
    url = page["volumes_links"][0]["href"]
    rest = cloud.ok("GET", url.split(str(cloud.rest.port))[1])
    assert [volume["name"] for volume in rest["volumes"]] == ["c"]
    assert "volumes_links" not in rest
    short = cloud.ok("GET", "/v3/volumes?limit=1")["volumes"][0]
    assert set(short) == {"id", "name", "links"}
    summary = cloud.ok("GET", "/v3/volumes/summary")["volume-summary"]
    assert summary == {"total_size": 3, "total_count": 3, "metadata": {"Type": ["work"]}}


def test_a_volume_grows_while_it_is_detached(cloud):
    volume_id = cloud.create()
    assert cloud.act(volume_id, "os-extend", {"new_size": 2}).status_code == 202
    assert cloud.wait(volume_id, "available")["size"] == 2
    assert cloud.file(volume_id).stat().st_size == 2 * GIB
    assert cloud.act(volume_id, "os-extend", {"new_size": 2}).status_code == 400
    cloud.attach(volume_id, str(uuid.uuid4()))
    answer = cloud.act(volume_id, "os-extend", {"new_size": 3})
    assert answer.status_code == 400
    assert "in-use" in answer.json()["badRequest"]["message"]


def test_flags_are_shown_as_cinder_shows_them(cloud):
    volume_id = cloud.create()
    for value in (True, False, "true"):
        assert cloud.act(volume_id, "os-set_bootable", {"bootable": value}).status_code == 200
        assert cloud.volume(volume_id)["bootable"] == str(value).lower()
    for value in (True, False):
        answer = cloud.act(volume_id, "os-update_readonly_flag", {"readonly": value})
        assert answer.status_code == 202
        assert cloud.volume(volume_id)["metadata"]["readonly"] == str(value)
    answer = cloud.act(volume_id, "os-set_image_metadata", {"metadata": {"hw_disk_bus": "scsi"}})
    assert answer.json() == {"metadata": {"hw_disk_bus": "scsi"}}
    assert cloud.volume(volume_id)["volume_image_metadata"] == {"hw_disk_bus": "scsi"}
    assert cloud.act(volume_id, "os-unset_image_metadata", {"key": "hw_disk_bus"}).ok
    assert "volume_image_metadata" not in cloud.volume(volume_id)


def test_the_quota_holds_and_can_be_changed(make_cloud, tokens):
    cloud = make_cloud(quota_volumes=2, quota_gigabytes=5)
    first = cloud.create(size=2)
    answer = cloud("POST", "/v3/volumes", {"volume": {"size": 4}})
    assert answer.status_code == 413
    assert answer.json()["overLimit"]["message"] == (
        "Quota exceeded for gigabytes: Requested 4, but already used 2 of 5 gigabytes"
    )
    assert cloud.act(first, "os-extend", {"new_size": 6}).status_code == 413
    cloud.create(size=2)
    assert cloud("POST", "/v3/volumes", {"volume": {"size": 1}}).status_code == 413
    cloud.create(size=2, token=tokens["other"])
    path = f"/v3/os-quota-sets/{'a' * 32}"
    usage = cloud.ok("GET", f"{path}?usage=True")["quota_set"]
    assert usage["volumes"] == {"limit": 2, "in_use": 2, "reserved": 0}
    assert usage["gigabytes"] == {"limit": 5, "in_use": 4, "reserved": 0}
    assert cloud("PUT", path, {"quota_set": {"volumes": 3}}).status_code == 403
    changed = cloud.ok("PUT", path, {"quota_set": {"volumes": 3}}, token=tokens["admin"])
    assert changed["quota_set"]["volumes"] == 3
    cloud.create(size=1)
    limits = cloud.ok("GET", "/v3/limits")["limits"]["absolute"]
    assert (limits["maxTotalVolumes"], limits["totalVolumesUsed"]) == (3, 3)
    assert limits["totalGigabytesUsed"] == 5
    assert cloud("DELETE", path, token=tokens["admin"]).status_code == 200
    assert cloud.ok("GET", path)["quota_set"]["volumes"] == 2


def test_two_creations_never_fit_into_the_same_gap_of_the_quota(make_cloud):
    from concurrent.futures import ThreadPoolExecutor

    cloud = make_cloud(quota_volumes=5)
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: cloud("POST", "/v3/volumes", {"volume": {"size": 1}}), range(16))
        )
    assert sorted(answer.status_code for answer in answers) == [202] * 5 + [413] * 11


def test_what_clients_ask_about_the_service(cloud, tokens):
    types = cloud.ok("GET", "/v3/types?is_public=none")["volume_types"]
    assert [each["name"] for each in types] == ["default"]
    assert cloud.ok("GET", "/v3/types/default")["volume_type"]["id"] == types[0]["id"]
    assert cloud.ok("GET", f"/v3/types/{types[0]['id']}/extra_specs") == {"extra_specs": {}}
    assert cloud("GET", "/v3/types/gold").status_code == 404
    zones = cloud.ok("GET", "/v3/os-availability-zone")["availabilityZoneInfo"]
    assert zones == [{"zoneName": "nova", "zoneState": {"available": True}}]
    for path, key in (("snapshots/detail", "snapshots"), ("backups/detail", "backups")):
        assert cloud.ok("GET", f"/v3/{path}") == {key: []}
    assert cloud("GET", f"/v3/snapshots/{uuid.uuid4()}").status_code == 404
    assert cloud("GET", "/v3/os-services").status_code == 403
    services = cloud.ok("GET", "/v3/os-services", token=tokens["admin"])["services"]
    assert {each["binary"] for each in services} == {"cinder-scheduler", "cinder-volume"}


def test_an_admin_resets_and_force_deletes_what_is_stuck(cloud, tokens):
    volume_id = cloud.create()
    assert cloud.act(volume_id, "os-reset_status", {"status": "error"}).status_code == 403
    for status, code in (("nonsense", 400), ("deleting", 400), ("error_detaching", 202)):
        answer = cloud.act(volume_id, "os-reset_status", {"status": status}, token=tokens["admin"])
        assert answer.status_code == code
    assert cloud("DELETE", f"/v3/volumes/{volume_id}").status_code == 400
    assert cloud.act(volume_id, "os-force_delete").status_code == 403
    assert cloud.act(volume_id, "os-force_delete", {}, token=tokens["admin"]).status_code == 202
    cloud.wait_gone(volume_id)


def test_a_reader_reads_and_does_nothing(cloud, tokens):
    volume_id = cloud.create()
    reader = {"token": tokens["reader"]}
    assert cloud.volume(volume_id, **reader)["id"] == volume_id
    for method, path, body in (
        ("POST", "/v3/volumes", {"volume": {"size": 1}}),
        ("PUT", f"/v3/volumes/{volume_id}", {"volume": {"name": "x"}}),
        ("DELETE", f"/v3/volumes/{volume_id}", None),
        ("POST", f"/v3/volumes/{volume_id}/metadata", {"metadata": {"a": "b"}}),
        ("POST", f"/v3/volumes/{volume_id}/action", {"os-reserve": None}),
        ("POST", "/v3/attachments", {"attachment": {"volume_uuid": volume_id}}),
    ):
        answer = cloud(method, path, body, **reader)
        assert answer.status_code == 403, (method, path)
        assert answer.json()["forbidden"]["code"] == 403


def test_foreign_volumes_do_not_exist(cloud, tokens):
    volume_id = cloud.create()
    other = {"token": tokens["other"]}
    for method, path, body in (
        ("GET", f"/v3/volumes/{volume_id}", None),
        ("PUT", f"/v3/volumes/{volume_id}", {"volume": {"name": "x"}}),
        ("DELETE", f"/v3/volumes/{volume_id}", None),
        ("GET", f"/v3/volumes/{volume_id}/metadata", None),
        ("POST", f"/v3/volumes/{volume_id}/action", {"os-reserve": None}),
        ("POST", "/v3/attachments", {"attachment": {"volume_uuid": volume_id}}),
        ("POST", "/v3/volumes", {"volume": {"source_volid": volume_id}}),
    ):
        assert cloud(method, path, body, **other).status_code == 404, (method, path)
    assert cloud.ok("GET", "/v3/volumes/detail?all_tenants=1", **other)["volumes"] == []
    assert cloud.ok("GET", f"/v3/volumes/detail?project_id={'a' * 32}", **other)["volumes"] == []
    everything = cloud.ok("GET", "/v3/volumes/detail?all_tenants=1", token=tokens["admin"])
    assert [volume["id"] for volume in everything["volumes"]] == [volume_id]
    answer = cloud("GET", f"/v3/{'a' * 32}/volumes", **other)
    assert answer.status_code == 400


def test_only_an_admin_sees_which_host_has_a_volume(cloud, tokens):
    volume_id = cloud.create()
    assert "os-vol-host-attr:host" not in cloud.volume(volume_id)
    assert cloud.volume(volume_id, token=tokens["admin"])["os-vol-host-attr:host"] == (
        "lab@minova#minova"
    )
