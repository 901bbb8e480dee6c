"""Discovery, microversions, and what a bad request hears."""

import random
import string
import uuid

import pytest

PROJECT = "a" * 32


@pytest.fixture
def cloud(shared_cloud):
    return shared_cloud


def test_discovery_needs_no_token_and_its_links_work(cloud):
    root = cloud("GET", "/", token=None)
    assert root.status_code == 300
    versions = root.json()["versions"]
    assert [version["id"] for version in versions] == ["v3.0"]
    assert (versions[0]["min_version"], versions[0]["version"]) == ("3.0", "3.71")
    url = versions[0]["links"][0]["href"]
    assert url == f"http://127.0.0.1:{cloud.rest.port}/v3/"
    for path in ("/v3/", "/v3"):
        shown = cloud("GET", path, token=None)
        assert shown.status_code == 200
        assert shown.json()["versions"] == versions
    outside = cloud("GET", "/v3/", None, None, X_Forwarded_Proto="https", X_Forwarded_Host="c.org")
    assert outside.json()["versions"][0]["links"][0]["href"] == "https://c.org/v3/"


@pytest.mark.parametrize(
    ("header", "answered", "status"),
    [
        (None, "3.0", 200),
        ("volume 3.27", "3.27", 200),
        ("volume latest", "3.71", 200),
        ("compute 2.90, volume 3.44", "3.44", 200),
        ("compute 2.90", "3.0", 200),
        ("volume 3.72", "3.0", 406),
        ("volume 2.0", "3.0", 406),
        ("volume 3", "3.0", 400),
        ("volume 3.x", "3.0", 400),
        ("volume", "3.0", 400),
    ],
)
def test_the_microversion_is_negotiated_and_answered(cloud, tokens, header, answered, status):
    headers = {"X-Auth-Token": tokens["member"]}
    if header is not None:
        headers["OpenStack-API-Version"] = header
    url = f"http://127.0.0.1:{cloud.rest.port}/v3/volumes"
    answer = cloud.session.get(url, headers=headers)
    assert answer.status_code == status
    assert answer.headers["OpenStack-API-Version"] == f"volume {answered}"
    assert "OpenStack-API-Version" in answer.headers["Vary"]
    assert answer.headers["x-openstack-request-id"].startswith("req-")
    if status == 406:
        assert "Minimum is 3.0 and maximum is 3.71" in answer.json()["computeFault"]["message"]


def test_fields_appear_with_their_microversion(cloud):
    volume_id = cloud.create()
    for name, before, since in (
        ("group_id", "3.12", "3.13"),
        ("shared_targets", "3.47", "3.48"),
        ("volume_type_id", "3.62", "3.63"),
        ("consumes_quota", "3.64", "3.65"),
    ):
        assert name not in cloud.volume(volume_id, version=before)
        assert name in cloud.volume(volume_id, version=since)


def test_the_project_in_the_url_is_optional_and_must_be_the_tokens(cloud, tokens):
    volume_id = cloud.create()
    for prefix in ("", f"/{PROJECT}"):
        assert cloud("GET", f"/v3{prefix}/volumes/{volume_id}").status_code == 200
        assert cloud("GET", f"/v3{prefix}/volumes/{uuid.uuid4()}").status_code == 404
    answer = cloud("GET", f"/v3/{'b' * 32}/volumes/{volume_id}")
    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"].startswith("Malformed request url")
    assert cloud("GET", f"/v3/{'b' * 32}/volumes", token=tokens["admin"]).status_code == 200
    assert cloud("GET", f"/v3/{PROJECT}/volumes", token=None).status_code == 401


@pytest.mark.parametrize(
    ("status", "key", "request_"),
    [
        (401, "unauthorized", ("GET", "/v3/volumes", None, None)),
        (404, "itemNotFound", ("GET", "/v3/nothing")),
        (404, "itemNotFound", ("GET", "/v3/volumes/not-a-uuid")),
        (404, "itemNotFound", ("GET", f"/v3/volumes/{uuid.UUID(int=1)}")),
        (404, "itemNotFound", ("GET", "/v3/volumes/%00%ff")),
        (404, "itemNotFound", ("GET", "/v3/attachments/x")),
        (404, "itemNotFound", ("GET", f"/v3/{PROJECT}")),
        (405, "badMethod", ("PATCH", "/v3/volumes")),
        (400, "badRequest", ("GET", "/v3/volumes?limit=-1")),
        (400, "badRequest", ("GET", "/v3/volumes?limit=many")),
        (400, "badRequest", ("GET", "/v3/volumes?marker=none")),
        (400, "badRequest", ("GET", "/v3/volumes?sort=secret:asc")),
        (400, "badRequest", ("GET", "/v3/volumes?colour=red")),
        (400, "badRequest", ("GET", "/v3/volumes?name=%00")),
        (400, "badRequest", ("GET", "/v3/volumes?size=big")),
        (400, "badRequest", ("GET", "/v3/volumes?metadata=[[[[")),
        (400, "badRequest", ("GET", "/v3/volumes?created_at=gt:yesterday")),
    ],
)
def test_an_error_has_cinders_form(cloud, status, key, request_):
    answer = cloud(*request_)
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert list(body) == [key]
    assert body[key]["code"] == status
    assert body[key]["message"]


def test_xml_and_broken_json_are_refused(cloud, tokens):
    url = f"http://127.0.0.1:{cloud.rest.port}/v3/volumes"
    for content_type, data, status in (
        ("application/xml", "<volume/>", 415),
        ("application/json", "{", 400),
        ("application/json", "[" * 100000, 400),
        ("application/json", b"\xff", 400),
        ("application/json", "", 400),
        ("application/json", " " * (2 * 1024**2), 413),
    ):
        headers = {"X-Auth-Token": tokens["member"], "Content-Type": content_type}
        assert cloud.session.post(url, data=data, headers=headers).status_code == status


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ("size", {"size": 0}),
        ("size", {"size": -1}),
        ("size", {"size": "large"}),
        ("size", {"size": 1.5}),
        ("size", {"size": True}),
        ("size", {"size": 10**30}),
        ("size", {"size": 100000}),
        ("size", {}),
        ("name", {"size": 1, "name": "n" * 256}),
        ("name", {"size": 1, "name": 7}),
        ("name", {"size": 1, "name": "\0"}),
        ("description", {"size": 1, "description": "\ud800"}),
        ("metadata", {"size": 1, "metadata": {"k": 1}}),
        ("metadata", {"size": 1, "metadata": {"k" * 256: "v"}}),
        ("metadata", {"size": 1, "metadata": {str(n): "v" for n in range(129)}}),
        ("colour", {"size": 1, "colour": "red"}),
        ("imageRef", {"size": 1, "imageRef": "../../etc/passwd"}),
        ("source_volid", {"size": 1, "source_volid": "x"}),
        ("multiattach", {"size": 1, "multiattach": True}),
        ("backup_id", {"size": 1, "backup_id": str(uuid.UUID(int=1))}),
        ("zone", {"size": 1, "availability_zone": "mars"}),
    ],
)
def test_a_bad_volume_is_refused_by_the_name_of_the_field(cloud, field, asked):
    before = cloud.ok("GET", "/v3/volumes")
    answer = cloud("POST", "/v3/volumes", {"volume": asked})
    assert answer.status_code == 400, answer.text
    assert field in answer.json()["badRequest"]["message"]
    assert cloud.ok("GET", "/v3/volumes") == before


@pytest.mark.parametrize(
    "asked",
    [
        {},
        [],
        "os-reserve",
        {"os-explode": {}},
        {"os-reserve": None, "os-unreserve": None},
        {"os-extend": {"new_size": "x"}},
        {"os-extend": {"new_size": 10**9}},
        {"os-extend": None},
        {"os-attach": {"instance_uuid": "x", "mountpoint": "/dev/vdb"}},
        {"os-set_bootable": {"bootable": "maybe"}},
        {"os-reset_status": {}},
        {"os-volume_upload_image": {"image_name": "i", "disk_format": "vmdk"}},
    ],
)
def test_a_bad_action_is_refused(cloud, asked, tokens):
    volume_id = cloud.create()
    answer = cloud("POST", f"/v3/volumes/{volume_id}/action", asked, token=tokens["admin"])
    assert answer.status_code == 400, answer.text
    assert cloud.volume(volume_id)["status"] == "available"


def test_many_random_requests_never_fail_the_server(cloud, tokens):
    rng = random.Random(7)
    volume_id = cloud.create()
    paths = [
        "/v3/volumes",
        f"/v3/volumes/{volume_id}",
        f"/v3/volumes/{volume_id}/action",
        f"/v3/volumes/{volume_id}/metadata",
        f"/v3/volumes/{volume_id}/metadata/k",
        "/v3/attachments",
        f"/v3/os-quota-sets/{PROJECT}",
    ]
    words = ["volume", "size", "metadata", "meta", "os-attach", "attachment", "volume_uuid"]
    words += ["quota_set", "volumes", "connector", "os-reset_status", "status", "k", volume_id]

    def value(depth):
        kinds = [
            lambda: rng.choice(words),
            lambda: "".join(rng.choices(string.printable + "\0\u2028é", k=rng.randrange(9))),
            lambda: rng.choice([None, True, False, 0, -1, 1.5, 10**400, 2**63]),
        ]
        if depth:
            kinds.append(lambda: [value(depth - 1) for _ in range(rng.randrange(3))])
            kinds += [lambda: {rng.choice(words): value(depth - 1) for _ in range(2)}] * 3
        return rng.choice(kinds)()

    for _ in range(1500):
        method = rng.choice(["POST", "PUT"])
        answer = cloud(method, rng.choice(paths), value(4), token=tokens["admin"])
        assert answer.status_code < 500, answer.text
