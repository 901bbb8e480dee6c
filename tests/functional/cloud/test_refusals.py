"""Bad input: the exact status, one sentence that says what is wrong, and nothing left behind."""

import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet

from minova.companions.identity.keys import KeyRing
from minova.companions.identity.tokens import Sealer
from tests.cloud import Cloud
from tests.nova import Nova

NOBODY = str(uuid.uuid4())
LONG = "x" * 300
NOT_AUTHENTICATED = {
    "error": {
        "code": 401,
        "title": "Unauthorized",
        "message": "The request you have made requires authentication.",
    }
}


def url_of(cloud: Cloud, service: str, path: str = "") -> str:
    return f"http://127.0.0.1:{cloud.ports[service]}{path}"


def login(cloud: Cloud, **changes: Any) -> requests.Response:
    user = {
        "name": "demo",
        "domain": {"name": "Default"},
        "password": cloud.passwords["demo"],
        **changes.pop("user", {}),
    }
    scope = {"project": {"name": "demo", "domain": {"name": "Default"}}}
    auth = {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}
    return requests.post(f"{cloud.auth_url}/auth/tokens", json={"auth": auth | changes}, timeout=20)


@pytest.mark.parametrize(
    "changes",
    [
        {"user": {"password": "wrong"}},
        {"user": {"name": "nobody"}},
        {"scope": {"project": {"name": "nothing", "domain": {"name": "Default"}}}},
        {"scope": {"project": {"name": "admin", "domain": {"name": "Default"}}}},
    ],
)
def test_a_login_that_is_not_right_is_401_without_a_hint(cloud: Cloud, nova, changes) -> None:
    answer = login(cloud, **changes)
    assert (answer.status_code, answer.json()) == (401, NOT_AUTHENTICATED)


WHERE = {
    "compute": ("api", "/v2.1/servers"),
    "image": ("image", "/v2/images"),
    "network": ("network", "/v2.0/networks"),
    "volume": ("volume", "/v3/{project}/volumes"),
    "identity": ("identity", "/v3/projects"),
}


@pytest.fixture(scope="module")
def revoked(cloud: Cloud, nova: Nova) -> str:
    token = login(cloud).headers["X-Subject-Token"]
    headers = {"X-Auth-Token": token, "X-Subject-Token": token}
    answer = requests.delete(f"{cloud.auth_url}/auth/tokens", headers=headers, timeout=20)
    assert answer.status_code == 204
    return token


@pytest.fixture(scope="module")
def expired(cloud: Cloud, nova: Nova) -> str:
    """A token of this cloud that was good until a minute ago."""
    sealer = Sealer(KeyRing(cloud.folder / "identity" / "fernet-keys"))
    token = sealer.open(login(cloud).headers["X-Subject-Token"])
    times = {"issued_at": token.issued_at - 3600, "expires_at": int(time.time()) - 60}
    return sealer.seal(replace(token, **times))


@pytest.mark.parametrize("service", WHERE)
@pytest.mark.parametrize("kind", ["none", "empty", "garbage", "foreign", "revoked", "expired"])
def test_a_token_that_does_not_hold_is_401(
    cloud: Cloud, nova: Nova, revoked: str, expired: str, service: str, kind: str
) -> None:
    foreign = Fernet(Fernet.generate_key()).encrypt(b"demo").decode().rstrip("=")
    tokens = {
        "empty": "",
        "garbage": "x" * 4000,
        "foreign": foreign,
        "revoked": revoked,
        "expired": expired,
    }
    port, path = WHERE[service]
    answer = requests.get(
        url_of(cloud, port, path.format(project=nova.project)),
        headers={"X-Auth-Token": tokens[kind]} if kind in tokens else {},
        timeout=20,
    )
    assert answer.status_code == 401, answer.text
    assert answer.headers["WWW-Authenticate"].startswith("Keystone uri=")
    assert "requires authentication" in answer.text


REFUSED: dict[str, tuple[int, dict[str, Any], str]] = {
    "flavor": (400, {"flavorRef": "nope"}, "Flavor nope could not be found."),
    "image": (400, {"imageRef": NOBODY}, "Can not find requested image"),
    "key": (400, {"key_name": "nope"}, "Invalid key_name provided."),
    "network": (
        400,
        {"networks": [{"uuid": NOBODY}]},
        f"Network {NOBODY} could not be found.",
    ),
    "port": (400, {"networks": [{"port": NOBODY}]}, f"Port id {NOBODY} could not be found."),
    "security group": (
        400,
        {"security_groups": [{"name": "nope"}]},
        "Security group nope not found for project {project}.",
    ),
    "zone": (
        400,
        {"availability_zone": "mars"},
        "The requested availability zone is not available",
    ),
    "unknown field": (
        400,
        {"bogus": 1},
        "Invalid input for field/attribute server. "
        "Additional properties are not allowed ('bogus' was unexpected)",
    ),
    "no name": (400, {"name": ""}, "Invalid input for field/attribute name."),
    "no flavor": (400, {"flavorRef": None}, "'flavorRef' is a required property"),
    "counts": (400, {"min_count": 2, "max_count": 1}, "min_count must be <= max_count"),
    "zero": (400, {"min_count": 0}, "Invalid input for field/attribute min_count."),
    "many": (400, {"max_count": 10**9}, "max_count must be <= 1000"),
    "user data": (400, {"user_data": "#!"}, "Invalid input for field/attribute user_data."),
    "host": (403, {"host": "host-1"}, "Policy doesn't allow"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_a_launch_that_cannot_be_is_refused(nova: Nova, what: str, left_as_found) -> None:
    status, values, words = REFUSED[what]
    said = nova.refused(status, "POST", "/servers", nova.request(**{"name": "refused", **values}))
    assert words.format(project=nova.project) in said


def test_a_body_that_is_no_launch_is_refused(nova: Nova, left_as_found) -> None:
    for body in (None, [], "server", {}, {"server": None}, {"server": []}, {"servers": {}}):
        nova.refused(400, "POST", "/servers", body)


@pytest.fixture
def poor(nova: Nova) -> Iterator[dict[str, int]]:
    """The project demo with room for two servers, two cores and 128 MiB more, no further."""
    compute = nova.connections["admin"].compute
    limits = nova.connections["demo"].compute.get_limits().absolute
    used = {
        "instances": limits.instances_used,
        "cores": limits.total_cores_used,
        "ram": limits.total_ram_used,
    }
    yield used
    compute.revert_quota_set(nova.project)


@pytest.mark.parametrize(("resource", "each"), [("instances", 1), ("cores", 1), ("ram", 64)])
def test_a_quota_passed_is_403_in_novas_words(
    nova: Nova, poor: dict[str, int], resource: str, each: int, left_as_found
) -> None:
    used, limit = poor[resource], poor[resource] + each
    body = {"quota_set": {resource: limit}}
    path = f"/os-quota-sets/{nova.project}"
    assert nova.call("PUT", path, body, user="admin").status_code == 200
    said = nova.refused(403, "POST", "/servers", nova.request(min_count=2, max_count=2))
    assert said == (
        f"Quota exceeded for {resource}: Requested {2 * each}, "
        f"but already used {used} of {limit} {resource}"
    )
    # Asked for one or two, one is given.
    answer = nova.call("POST", "/servers", nova.request(min_count=1, max_count=2))
    assert answer.status_code == 202
    server_id = answer.json()["server"]["id"]
    assert nova.settled(server_id)["status"] == "ACTIVE"
    said = nova.refused(403, "POST", "/servers", nova.request())
    assert said == (
        f"Quota exceeded for {resource}: Requested {each}, "
        f"but already used {limit} of {limit} {resource}"
    )
    nova.delete(server_id)


def test_several_quotas_are_named_together(nova: Nova, poor, left_as_found) -> None:
    body = {"quota_set": {"instances": poor["instances"], "ram": poor["ram"]}}
    nova.call("PUT", f"/os-quota-sets/{nova.project}", body, user="admin")
    said = nova.refused(403, "POST", "/servers", nova.request())
    assert said == (
        "Quota exceeded for instances, ram: Requested 1, 64, but already used "
        f"{poor['instances']}, {poor['ram']} of {poor['instances']}, {poor['ram']} instances, ram"
    )


@pytest.mark.parametrize(
    "options",
    [
        ["-b", "/etc/passwd", "-F", "raw"],
        ["-o", "data_file=beside.raw"],
        ["-o", "data_file=beside.raw,data_file_raw=on"],
    ],
)
def test_an_image_that_points_to_another_file_is_refused(
    nova: Nova, cloud: Cloud, tmp_path: Path, options: list[str], left_as_found
) -> None:
    disk = tmp_path / "disk.qcow2"
    subprocess.run(
        ["qemu-img", "create", "-q", "-u", "-f", "qcow2", *options, str(disk), "1M"]
        if "-b" in options
        else ["qemu-img", "create", "-q", "-f", "qcow2", *options, str(disk), "1M"],
        cwd=tmp_path,
        check=True,
    )
    headers = {"X-Auth-Token": nova.tokens["demo"]}
    body = {"name": "evil", "disk_format": "qcow2", "container_format": "bare"}
    images = url_of(cloud, "image", "/v2/images")
    image = requests.post(images, json=body, headers=headers, timeout=20).json()
    answer = requests.put(
        f"{images}/{image['id']}/file",
        data=disk.read_bytes(),
        headers=headers | {"Content-Type": "application/octet-stream"},
        timeout=20,
    )
    assert answer.status_code == 400, answer.text
    assert "/etc/passwd" not in answer.text
    shown = requests.get(f"{images}/{image['id']}", headers=headers, timeout=20).json()
    assert shown["status"] in ("queued", "killed")
    said = nova.refused(400, "POST", "/servers", nova.request(imageRef=image["id"]))
    assert said == f"Image {image['id']} is not active."
    assert requests.delete(f"{images}/{image['id']}", headers=headers, timeout=20).ok


@pytest.fixture(scope="module")
def theirs(nova: Nova) -> Iterator[str]:
    """A server of demo, which the stranger tries to get at."""
    server_id = nova.launch(name="theirs")
    yield server_id
    nova.delete(server_id)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PUT", "", {"server": {"name": "mine"}}),
        ("DELETE", "", None),
        ("POST", "/action", {"os-stop": None}),
        ("POST", "/action", {"os-getConsoleOutput": {}}),
        ("GET", "/metadata", None),
        ("GET", "/tags", None),
        ("GET", "/os-interface", None),
        ("GET", "/os-volume_attachments", None),
        ("POST", "/os-volume_attachments", {"volumeAttachment": {"volumeId": NOBODY}}),
        ("GET", "/os-instance-actions", None),
    ],
)
@pytest.mark.parametrize("who", ["a stranger", "no uuid", "an unknown id"])
def test_another_projects_server_is_not_there(
    nova: Nova, theirs: str, who: str, method: str, path: str, body: Any
) -> None:
    user = "stranger" if who == "a stranger" else "demo"
    server_id = {"a stranger": theirs, "no uuid": "no-uuid", "an unknown id": NOBODY}[who]
    said = nova.refused(404, method, f"/servers/{server_id}{path}", body, user=user)
    assert said == f"Instance {server_id} could not be found."
    assert nova.settled(theirs)["status"] == "ACTIVE"


@pytest.mark.parametrize("service", WHERE)
@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b'{"server": ', "application/json", 400),
        (b"\xff\xfe{}", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b'{"a": "' + b"x" * 3_000_000 + b'"}', "application/json", 413),
        (b"<server/>", "application/xml", 415),
    ],
)
def test_a_body_that_is_no_json_is_refused(
    cloud: Cloud, nova: Nova, service: str, data: bytes, content_type: str, status: int
) -> None:
    port, path = WHERE[service]
    answer = requests.post(
        url_of(cloud, port, path.format(project=nova.project)),
        data=data,
        headers={"X-Auth-Token": nova.tokens["admin"], "Content-Type": content_type},
        timeout=30,
    )
    assert answer.status_code in (status, 400), answer.text
    if service == "compute":
        assert answer.status_code == status
    assert len(answer.text) < 1000 and "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("2.9999", 406),
        ("3.0", 406),
        ("1.0", 406),
        ("2.0", 406),
        ("abc", 400),
        ("2", 400),
        ("2.1.1", 400),
        ("2.-1", 400),
        ("2.01", 400),
        (LONG, 400),
    ],
)
@pytest.mark.parametrize("header", ["OpenStack-API-Version", "X-OpenStack-Nova-API-Version"])
def test_a_version_that_is_not_there_is_refused(
    nova: Nova, version: str, status: int, header: str
) -> None:
    value = f"compute {version}" if header.startswith("OpenStack") else version
    answer = nova.call("GET", "/servers", version=None, headers={header: value})
    assert answer.status_code == status, answer.text
    (error,) = answer.json().values()
    if status == 400:
        assert "is of invalid format. Must be of format MajorNum.MinorNum." in error["message"]
    else:
        assert f"Version {version} is not supported by the API. Minimum is 2.1" in error["message"]


@pytest.mark.parametrize("service", WHERE)
def test_what_is_nowhere_is_404_in_the_services_words(
    cloud: Cloud, nova: Nova, service: str
) -> None:
    port, path = WHERE[service]
    base = url_of(cloud, port, path.format(project=nova.project))
    for wrong in (f"{base}/no-uuid", f"{base}/{NOBODY}", f"{base}/{NOBODY}/nope", f"{base}x"):
        answer = requests.get(wrong, headers={"X-Auth-Token": nova.tokens["admin"]}, timeout=20)
        assert answer.status_code == 404, (wrong, answer.text)
        assert answer.headers["x-openstack-request-id"].startswith("req-")
