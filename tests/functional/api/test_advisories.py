"""What went wrong in Nova once, and does not here. Named after the advisories."""

import secrets
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.cloud import Cloud
from tests.faults import FaultyCloud
from tests.nova import Nova, furnish

MIB = 1024**2


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyCloud]:
    """A cloud that logs all it can, whose steps can be made to fail."""
    cloud = FaultyCloud(
        tmp_path_factory.mktemp("failing"), options={"DEFAULT": {"debug": True, "use_stderr": True}}
    )
    try:
        yield cloud.start()
    finally:
        cloud.stop()


@pytest.fixture(scope="module")
def debugged(failing: FaultyCloud) -> Nova:
    return furnish(failing)


def test_cve_2019_14433_a_fault_shows_users_nothing_of_the_host(
    failing: FaultyCloud, debugged: Nova
) -> None:
    # The gate's file is a folder: the step ends in an OSError that names its path.
    gate = failing.gates.folder / "spawn"
    gate.mkdir(parents=True)
    body = debugged.request(name="unlucky")
    answer = debugged.call("POST", "/servers", body)
    path = f"/servers/{answer.json()['server']['id']}"
    debugged.settled(path.rpartition("/")[2])
    gate.rmdir()
    events = f"{path}/os-instance-actions/{answer.headers['X-Openstack-Request-Id']}"
    for user in ("demo", "reader"):
        for told in (debugged.get(path, user=user), debugged.get(events, user=user)):
            for secret in (str(failing.folder), "Errno", "Traceback", ".py", "Directory"):
                assert secret not in str(told)
    fault = debugged.get(path)["server"]["fault"]
    assert "unexpected error" in fault["message"] and "details" not in fault
    details = debugged.get(path, user="admin")["server"]["fault"]["details"]
    assert "Traceback" in details and "IsADirectoryError" in details
    debugged.delete(path.rpartition("/")[2])


def test_cve_2014_7230_no_token_and_no_password_reaches_a_log(
    failing: FaultyCloud, debugged: Nova
) -> None:
    wrong, fresh = secrets.token_hex(12), secrets.token_hex(12)
    url = f"{failing.auth_url}/auth/tokens"
    user = {"name": "demo", "domain": {"id": "default"}, "password": wrong}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
    assert requests.post(url, json=body, timeout=60).status_code == 401
    admin = debugged.connections["admin"]
    admin.identity.create_user(name="passing", password=fresh)
    answer = debugged.call("POST", "/servers", debugged.request(adminPass=fresh))
    server_id = answer.json()["server"]["id"]
    debugged.settled(server_id)
    debugged.refused(401, "GET", "/servers", headers={"X-Auth-Token": wrong})
    volume = admin.block_storage.create_volume(size=1, name="v")
    admin.block_storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    debugged.delete(server_id)

    def read() -> str:
        files = [failing.folder / "minova.log", *(failing.folder / "xray").rglob("*")]
        return "\n".join(f.read_bytes().decode(errors="replace") for f in files if f.is_file())

    # Spans are stored a moment after they end.
    expected = (" DEBUG ", "refused a login", server_id)
    debugged.until(lambda: all(word in read() for word in expected), "the launch is recorded")
    logs = read()
    hidden = [*failing.passwords.values(), *debugged.tokens.values(), wrong, fresh]
    config = failing.config_file.read_text()
    (shared,) = (line for line in config.splitlines() if line.startswith("metadata_secret"))
    hidden.append(shared.partition(" = ")[2])
    assert [secret for secret in hidden if secret in logs] == []


def test_ossn_0023_no_token_of_a_console_reaches_a_log(
    failing: FaultyCloud, debugged: Nova
) -> None:
    server_id = debugged.launch()
    body = {"remote_console": {"protocol": "serial", "type": "serial"}}
    path = f"/servers/{server_id}/remote-consoles"
    urls = [debugged.call("POST", path, body).json()["remote_console"]["url"] for _ in range(2)]
    tokens = [url.rpartition("=")[2] for url in urls]
    page = f"http://127.0.0.1:{failing.ports['console']}/vnc_lite.html"
    requests.get(page, params={"path": f"?token={tokens[0]}"}, timeout=60)
    with connect(urls[0], proxy=None) as console:
        console.recv(60)
    with pytest.raises(InvalidStatus), connect(urls[0], proxy=None):
        pass
    debugged.get(f"/os-console-auth-tokens/{tokens[1]}", user="admin")
    debugged.delete(server_id)
    files = [failing.folder / "minova.log", *(failing.folder / "xray").rglob("*")]
    logs = "\n".join(f.read_bytes().decode(errors="replace") for f in files if f.is_file())
    assert all(word in logs for word in (" DEBUG ", f"the serial console of instance {server_id}"))
    assert [token for token in tokens if token in logs] == []


def test_cve_2013_0208_another_projects_volume_boots_nothing(nova: Nova) -> None:
    storage = nova.connections["admin"].block_storage
    volume = storage.create_volume(size=1, name="theirs")
    storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    device = {
        "uuid": volume.id,
        "source_type": "volume",
        "destination_type": "volume",
        "boot_index": 0,
    }
    boots = nova.request(imageRef="", block_device_mapping_v2=[device])
    beside = nova.request(block_device_mapping_v2=[dict(device, boot_index=1)])
    beside["server"]["block_device_mapping_v2"].insert(
        0,
        {
            "uuid": nova.image,
            "source_type": "image",
            "destination_type": "local",
            "boot_index": 0,
        },
    )
    for body in (boots, beside):
        message = nova.refused(400, "POST", "/servers", body)
        # The same words as for a volume that does not exist.
        assert f"failed to get volume {volume.id}" in message
    assert storage.get_volume(volume.id).status == "available"
    storage.delete_volume(volume)


def test_cve_2013_2256_a_private_flavor_is_there_for_nobody_else(nova: Nova) -> None:
    admin = nova.connections["admin"]
    flavor = admin.compute.create_flavor(name="private", ram=64, vcpus=1, disk=1, is_public=False)
    message = nova.refused(400, "POST", "/servers", nova.request(flavorRef=flavor.id))
    assert message == f"Flavor {flavor.id} could not be found."
    listed = [f["id"] for f in nova.get("/flavors?is_public=None")["flavors"]]
    assert nova.flavor in listed and flavor.id not in listed
    for path in ("", "/os-extra_specs", "/os-flavor-access"):
        assert nova.call("GET", f"/flavors/{flavor.id}{path}").status_code in (403, 404)
    admin.compute.delete_flavor(flavor)


TOO_MUCH = {
    "hints": {"OS-SCH-HNT:scheduler_hints": {f"h{n}": "x" for n in range(5000)}},
    "a long hint": {"OS-SCH-HNT:scheduler_hints": {"group": "x" * 100_000}},
    "a hint's name": {"OS-SCH-HNT:scheduler_hints": {"x" * 300: "1"}},
}


@pytest.mark.parametrize("case", TOO_MUCH)
def test_cve_2012_3371_hints_have_limits(nova: Nova, case: str) -> None:
    nova.refused(400, "POST", "/servers", nova.request() | TOO_MUCH[case])


@pytest.mark.parametrize(
    "values",
    [
        {"name": "x" * 100_000},
        {"networks": [{"uuid": str(uuid.uuid4())} for _ in range(5000)]},
        {"security_groups": [{"name": f"g{n}"} for n in range(5000)]},
        {"tags": [f"t{n}" for n in range(5000)]},
        {"key_name": "x" * 100_000},
        {"max_count": 10**12},
    ],
)
def test_cve_2012_1585_names_and_lists_have_limits(nova: Nova, values: dict[str, object]) -> None:
    answer = nova.call("POST", "/servers", nova.request(**values))
    assert answer.status_code in (400, 403, 413), answer.text
    assert len(answer.text) < 10_000


def test_cve_2012_1585_a_body_has_a_limit(nova: Nova) -> None:
    nova.refused(413, "POST", "/servers", nova.request(name="x" * MIB))
    # Neither does it help to keep the length secret.
    pieces = (b"x" * 65536 for _ in range(20))
    url, token = f"{nova.url}/servers", nova.tokens["demo"]
    headers = {"X-Auth-Token": token, "Content-Type": "application/json"}
    try:
        answer = requests.post(url, data=pieces, headers=headers, timeout=60)
    except requests.ConnectionError:
        return  # refused before all was sent
    assert answer.status_code in (400, 411, 413)


def test_cve_2014_3708_filters_have_limits(nova: Nova) -> None:
    for query in ("ip=" + "(" * 500, "name=" + "a" * 20_000, "tags=" + ",".join("t" * 5000)):
        status = nova.call("GET", f"/servers?{query}").status_code
        assert status in (200, 400, 414), (query[:20], status)


def test_cve_2021_40797_unknown_urls_do_not_grow_the_server(nova: Nova, cloud: Cloud) -> None:
    def ask(start: int) -> None:
        with requests.Session() as session:
            session.headers["X-Auth-Token"] = nova.tokens["demo"]
            for number in range(start, start + 250):
                url = f"{nova.url}/{uuid.uuid4().hex[:20]}/{number}"
                assert session.get(url, timeout=60).status_code in (400, 404)

    def rss() -> int:
        status = Path(f"/proc/{cloud.processes['minova'].pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) // 1024

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(0, 1000, 250)))  # every thread and pool is made by now
        before = rss()
        list(pool.map(ask, range(1000, 3000, 250)))
    assert rss() - before < 8


def test_cve_2013_4179_xml_is_not_read(nova: Nova) -> None:
    xml = '<!DOCTYPE x [<!ENTITY a "aaaa">]><server>&a;</server>'
    for path in ("/servers", "/os-keypairs", "/flavors"):
        headers = {"Content-Type": "application/xml", "X-Auth-Token": nova.tokens["admin"]}
        answer = requests.post(nova.url + path, data=xml, headers=headers, timeout=60)
        assert answer.status_code == 415, path


def test_ossn_0102_what_belongs_to_one_server_is_not_found_at_another(nova: Nova) -> None:
    answer = nova.call("POST", "/servers", nova.request(name="mine"))
    request_id = answer.headers["X-Openstack-Request-Id"]
    mine, other = answer.json()["server"]["id"], nova.launch(name="other")
    nova.settled(mine)
    storage = nova.connections["demo"].block_storage
    volume = storage.create_volume(size=1, name="data")
    storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    attach = {"volumeAttachment": {"volumeId": volume.id}}
    assert nova.call("POST", f"/servers/{mine}/os-volume_attachments", attach).ok
    (port,) = nova.get(f"/servers/{mine}/os-interface")["interfaceAttachments"]
    children = (
        f"os-volume_attachments/{volume.id}",
        f"os-interface/{port['port_id']}",
        f"os-instance-actions/{request_id}",
    )
    for child in children:
        assert nova.call("GET", f"/servers/{mine}/{child}").status_code == 200, child
        nova.refused(404, "GET", f"/servers/{other}/{child}")
    nova.refused(404, "DELETE", f"/servers/{other}/os-volume_attachments/{volume.id}")
    assert nova.call("DELETE", f"/servers/{mine}/os-volume_attachments/{volume.id}").ok
    storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    nova.delete(mine, other)
    storage.delete_volume(volume)
