"""Create, show, change, list, share, tag and delete images over real HTTP."""

import uuid
from typing import Any

import pytest

V20 = "application/openstack-images-v2.0-json-patch"
CORE = {
    *("id", "name", "status", "visibility", "owner", "protected", "os_hidden", "disk_format"),
    *("container_format", "min_disk", "min_ram", "size", "virtual_size", "checksum"),
    *("os_hash_algo", "os_hash_value", "created_at", "updated_at", "tags", "self", "file"),
    "schema",
}


def op(operation: str, path: str, value: Any = None) -> dict[str, Any]:
    return {"op": operation, "path": path, **({} if operation == "remove" else {"value": value})}


def test_a_new_image_is_queued_and_shared_and_keeps_own_properties(demo: Any) -> None:
    answer = demo.post("/v2/images", {"name": "x", "hw_disk_bus": "scsi", "tags": ["b", "a", "b"]})
    body = answer.json()
    assert answer.status_code == 201 and set(body) == CORE | {"hw_disk_bus"}
    assert (body["status"], body["visibility"], body["owner"]) == ("queued", "shared", "demo")
    assert body["tags"] == ["a", "b"] and body["hw_disk_bus"] == "scsi"
    assert answer.headers["OpenStack-image-import-methods"] == "glance-direct"
    assert answer.headers["Location"].endswith(f"/v2/images/{body['id']}")
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    assert demo.show(body["id"]) == body


def test_an_image_may_bring_its_id_and_no_id_is_given_twice(demo: Any, other: Any) -> None:
    wanted = str(uuid.uuid4())
    assert demo.create(id=wanted.upper())["id"] == wanted
    again = other.post("/v2/images", {"id": wanted})
    assert again.status_code == 409 and wanted in again.json()["message"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"disk_format": "wrong"}, 400),
        ({"container_format": "wrong"}, 400),
        ({"visibility": "world"}, 400),
        ({"name": "x" * 256}, 400),
        ({"name": 5}, 400),
        ({"name": "a\0b"}, 400),
        ({"name": "\ud800"}, 400),
        ({"min_ram": -1}, 400),
        ({"min_disk": 2**40}, 400),
        ({"protected": "yes"}, 400),
        ({"tags": "a"}, 400),
        ({"tags": ["x" * 256]}, 400),
        ({"tags": [str(n) for n in range(200)]}, 400),
        ({"own": 7}, 400),
        ({"own": {"a": 1}}, 400),
        ({"own": "x" * 20_000}, 400),
        ({"": "x"}, 400),
        ({"x" * 300: "y"}, 400),
        ({"id": "../../etc/passwd"}, 400),
        ({"id": "not-a-uuid"}, 400),
        ({str(n): "x" for n in range(200)}, 400),
        ([], 400),
        ("x", 400),
        (None, 400),
        ({"status": "active"}, 403),
        ({"checksum": "0" * 32}, 403),
        ({"size": 1}, 403),
        ({"self": "x"}, 403),
        ({"locations": []}, 403),
        ({"direct_url": "file:///etc/passwd"}, 403),
        ({"os_glance_import_task": "x"}, 403),
        ({"owner": "other"}, 403),
        ({"visibility": "public"}, 403),
    ],
)
def test_what_cannot_be_created_says_why(demo: Any, body: Any, status: int) -> None:
    answer = demo.post("/v2/images", body)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"message", "code", "title"} and len(answer.text) < 1000
    assert demo.ids() == []


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b"[" * 100_000, b'{"min_ram": 1e999}', b""])
def test_a_body_that_is_no_json_answers_400(demo: Any, raw: bytes) -> None:
    answer = demo.request(
        "POST", "/v2/images", data=raw, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 400, answer.text


def test_unknown_images_answer_404_in_every_form(demo: Any, other: Any) -> None:
    foreign = other.create(visibility="private")["id"]
    for image_id in (str(uuid.uuid4()), "centos7", "x" * 3000, "%00", "..%2f..", foreign, "é"):
        for method in ("GET", "DELETE"):
            answer = demo.request(method, f"/v2/images/{image_id}")
            assert answer.status_code == 404, (image_id[:20], answer.text)
            assert answer.json()["code"] == "404 Not Found"
    assert demo.get("/v2/images/").status_code == 404
    assert demo.delete("/v2/images/").status_code == 404
    assert demo.get("/v2/nothing").status_code == 404
    assert demo.request("PUT", "/v2/images").status_code == 405


def test_without_a_token_only_the_versions_answer(cloud: Any) -> None:
    nobody = cloud.user()
    nobody._session.headers.pop("X-Auth-Token")
    assert nobody.get("/v2/images").status_code == 401
    root = nobody.get("/")
    assert root.status_code == 300 and nobody.get("/v2/").status_code == 300
    listed = nobody.get("/versions", headers={"X-Forwarded-Host": "cloud:1"}).json()["versions"]
    assert listed[0]["status"] == "CURRENT"
    assert listed[0]["links"] == [{"rel": "self", "href": "http://cloud:1/v2/"}]
    assert all(link["href"].startswith(cloud.url) for v in root.json()["versions"]
               for link in v["links"])  # fmt: skip


def test_patch_changes_core_attributes_and_own_properties(demo: Any) -> None:
    image = demo.create(a="1", b="2")
    answer = demo.patch(
        image["id"],
        op("replace", "/name", "new"),
        op("replace", "/min_disk", 3),
        op("replace", "/os_hidden", True),
        op("replace", "/tags", ["z", "z"]),
        op("replace", "/a", "one"),
        op("add", "/c~1d~0", "x"),
        op("remove", "/b"),
    )
    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert (body["name"], body["min_disk"], body["os_hidden"]) == ("new", 3, True)
    assert body["tags"] == ["z"] and body["a"] == "one" and body["c/d~"] == "x"
    assert "b" not in body and demo.show(image["id"]) == body


def test_patch_speaks_the_old_dialect_too(demo: Any) -> None:
    image = demo.create(a="1")
    answer = demo.patch(
        image["id"], {"replace": "/name", "value": "n"}, {"remove": "/a"}, media=V20
    )
    assert answer.status_code == 200 and answer.json()["name"] == "n" and "a" not in answer.json()


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        (op("replace", "/status", "active"), 403),
        (op("replace", "/os_hash_value", "0"), 403),
        (op("replace", "/id", str(uuid.uuid4())), 403),
        (op("replace", "/locations", []), 403),
        (op("add", "/locations/-", {"url": "file:///etc/passwd", "metadata": {}}), 403),
        (op("remove", "/name"), 403),
        (op("replace", "/owner", "other"), 403),
        (op("replace", "/visibility", "public"), 403),
        (op("replace", "/disk_format", "qcow2"), 403),
        (op("remove", "/none"), 409),
        (op("replace", "/none", "x"), 409),
        (op("replace", "/min_ram", "x"), 400),
        (op("replace", "/visibility", "x"), 400),
        (op("add", "/own", 5), 400),
        (op("add", "/own", "a\0"), 400),
        (op("add", "/a/b", "x"), 400),
        (op("add", "", "x"), 400),
        (op("add", "own", "x"), 400),
        (op("add", "/" + "x" * 300, "x"), 400),
        (op("test", "/name", "x"), 400),
        ({"op": "add", "path": "/x"}, 400),
        ({"op": ["add"], "path": "/x", "value": "y"}, 400),
        ({"op": "add", "path": 5, "value": "y"}, 400),
        ("x", 400),
    ],
)
def test_a_patch_that_is_refused_changes_nothing(demo: Any, operation: Any, status: int) -> None:
    image = demo.make()
    answer = demo.patch(image["id"], op("add", "/first", "x"), operation)
    assert answer.status_code == status, answer.text
    assert demo.show(image["id"]) == image


def test_patch_needs_its_own_content_type(demo: Any) -> None:
    image = demo.create()
    for media in ("application/json", "application/xml", "text/plain"):
        assert demo.patch(image["id"], media=media).status_code == 415


def test_only_an_admin_publishes_and_everybody_sees_it_then(
    demo: Any, other: Any, admin: Any
) -> None:
    image = demo.create()
    answer = admin.patch(image["id"], op("replace", "/visibility", "public"))
    assert answer.status_code == 200
    assert image["id"] in other.ids() and other.show(image["id"])["owner"] == "demo"
    assert other.patch(image["id"], op("add", "/a", "b")).status_code == 403
    assert other.delete(f"/v2/images/{image['id']}").status_code == 403
    # The owner may still change it without publishing it again.
    assert demo.patch(image["id"], op("add", "/a", "b")).status_code == 200


def test_a_community_image_is_used_by_id_and_listed_only_on_request(demo: Any, other: Any) -> None:
    image = demo.create(visibility="community")
    assert other.ids() == [] and other.ids("?visibility=community") == [image["id"]]
    assert other.show(image["id"])["visibility"] == "community"
    assert demo.ids() == [image["id"]]


def test_a_reader_reads_and_changes_nothing(cloud: Any, demo: Any) -> None:
    image, reader = demo.make(), cloud.user("demo", "reader")
    assert reader.ids() == [image["id"]] and reader.show(image["id"]) == image
    assert reader.get(image["file"]).content == b"some bytes"
    assert reader.post("/v2/images", {"name": "x"}).status_code == 403
    assert reader.patch(image["id"], op("add", "/a", "b")).status_code == 403
    assert reader.delete(f"/v2/images/{image['id']}").status_code == 403


def test_an_admin_and_a_service_give_images_to_other_projects(cloud: Any, admin: Any) -> None:
    service = cloud.user("service", "service")
    for user in (admin, service):
        assert user.create(owner="demo", visibility="private")["owner"] == "demo"
    assert len(cloud.user().ids()) == 2 == len(admin.ids())


def test_a_protected_image_stays_until_it_is_unprotected(demo: Any) -> None:
    image = demo.make(protected=True)
    refused = demo.delete(f"/v2/images/{image['id']}")
    assert refused.status_code == 403 and "protected" in refused.json()["message"]
    assert demo.get(image["file"]).content == b"some bytes"
    demo.patch(image["id"], op("replace", "/protected", False))
    assert demo.delete(f"/v2/images/{image['id']}").status_code == 204
    assert demo.delete(f"/v2/images/{image['id']}").status_code == 404


def test_deactivated_data_is_withheld_from_all_but_admins(demo: Any, admin: Any) -> None:
    image = demo.make()
    act = f"/v2/images/{image['id']}/actions"
    assert demo.post(f"{act}/deactivate").status_code == 204
    assert demo.post(f"{act}/deactivate").status_code == 204
    assert demo.show(image["id"])["status"] == "deactivated"
    assert demo.get(image["file"]).status_code == 403
    assert admin.get(image["file"]).content == b"some bytes"
    assert demo.post(f"{act}/reactivate").status_code == 204
    assert demo.get(image["file"]).status_code == 200
    queued = demo.create()["id"]
    assert demo.post(f"/v2/images/{queued}/actions/deactivate").status_code == 403


def test_tags_come_and_go(demo: Any) -> None:
    path = f"/v2/images/{demo.create()['id']}"
    assert demo.put(f"{path}/tags/blue%20one").status_code == 204
    assert demo.put(f"{path}/tags/blue%20one").status_code == 204
    assert demo.get(path).json()["tags"] == ["blue one"]
    assert demo.delete(f"{path}/tags/blue%20one").status_code == 204
    assert demo.delete(f"{path}/tags/blue%20one").status_code == 404
    assert demo.put(f"{path}/tags/{'x' * 300}").status_code == 400
    assert demo.put(f"{path}/tags/a%00b").status_code == 400
    assert demo.put(f"/v2/images/{uuid.uuid4()}/tags/x").status_code == 404


def test_an_image_is_shared_accepted_and_taken_back(demo: Any, other: Any) -> None:
    image = demo.make(name="s")["id"]
    path = f"/v2/images/{image}/members"
    assert other.get(f"/v2/images/{image}").status_code == 404
    added = demo.post(path, {"member": "other"})
    assert added.status_code == 200 and added.json()["status"] == "pending"
    assert demo.post(path, {"member": "other"}).status_code == 409
    assert other.ids() == [] and other.ids("?visibility=shared&member_status=pending") == [image]
    assert other.get(f"/v2/images/{image}/file").status_code == 200

    yes = {"status": "accepted"}
    assert demo.put(f"{path}/other", json=yes).status_code == 403
    assert other.put(f"{path}/other", json={"status": "maybe"}).status_code == 400
    assert other.put(f"{path}/other", json=yes).json()["status"] == "accepted"
    assert other.ids() == [image]
    assert other.delete(f"{path}/other").status_code == 403
    assert other.patch(image, op("add", "/a", "b")).status_code == 403
    assert demo.delete(f"{path}/other").status_code == 204
    assert demo.delete(f"{path}/other").status_code == 404
    assert other.ids() == [] and other.get(f"/v2/images/{image}").status_code == 404


def test_members_see_only_themselves(cloud: Any, demo: Any, other: Any) -> None:
    image = demo.create()["id"]
    path = f"/v2/images/{image}/members"
    for project in ("other", "third"):
        demo.post(path, {"member": project})
    assert [m["member_id"] for m in demo.get(path).json()["members"]] == ["other", "third"]
    assert [m["member_id"] for m in other.get(path).json()["members"]] == ["other"]
    assert demo.get(f"{path}/third").status_code == 200 == other.get(f"{path}/other").status_code
    assert other.get(f"{path}/third").status_code == 404
    assert demo.get(f"{path}/a%00b").status_code == 404
    # The compute service asks whether a project may use an image.
    service = cloud.user("service", "service")
    assert service.get(f"{path}/third").status_code == 200
    assert service.get(f"{path}/fourth").status_code == 404


@pytest.mark.parametrize("visibility", ["private", "community"])
def test_only_shared_images_have_members(demo: Any, visibility: str) -> None:
    path = f"/v2/images/{demo.create(visibility=visibility)['id']}/members"
    answer = demo.post(path, {"member": "other"})
    assert answer.status_code == 403 and "Only shared" in answer.json()["message"]


@pytest.mark.parametrize("body", [{}, {"member": ""}, {"member": 5}, {"member": "a\0"}, [], "x"])
def test_a_member_needs_a_name(demo: Any, body: Any) -> None:
    path = f"/v2/images/{demo.create()['id']}/members"
    assert demo.post(path, body).status_code == 400


def test_schemas_say_what_an_image_is(demo: Any) -> None:
    image = demo.get("/v2/schemas/image").json()
    assert image["name"] == "image" and set(image["properties"]) >= CORE
    for name in ("images", "member", "members"):
        assert demo.get(f"/v2/schemas/{name}").json()["name"] == name
    assert demo.get("/v2/schemas/metadefs/namespace").status_code == 200
    assert demo.get("/v2/schemas/other").status_code == 404
    assert demo.get("/v2/info/import").json()["import-methods"]["value"] == ["glance-direct"]
    assert demo.get("/v2/info/stores").json()["stores"][0]["id"] == "file"


def test_no_task_is_left_of_an_image_and_none_shown_to_others(demo: Any, other: Any) -> None:
    image_id = demo.create()["id"]
    answer = demo.get(f"/v2/images/{image_id}/tasks")
    assert (answer.status_code, answer.json()) == (200, {"tasks": []})
    assert other.get(f"/v2/images/{image_id}/tasks").status_code == 404
