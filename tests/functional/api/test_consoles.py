"""Screens and serial consoles, from the URL to the guest, over HTTP and websockets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.cloud import Cloud
from tests.nova import Nova

SECONDS = 10


@pytest.fixture(scope="module")
def server(nova: Nova) -> Iterator[str]:
    server_id = nova.launch(name="console")
    yield server_id
    nova.delete(server_id)


def create(
    nova: Nova, server: str, protocol: str = "vnc", kind: str = "novnc", **options: Any
) -> Any:
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    return nova.call("POST", f"/servers/{server}/remote-consoles", body, **options)


def url_of(nova: Nova, server: str, protocol: str = "serial", kind: str = "serial") -> str:
    answer = create(nova, server, protocol, kind)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["remote_console"]["url"])


def token_of(url: str) -> str:
    return url.rpartition("token%3D")[2].rpartition("token=")[2]


def open_(url: str) -> ClientConnection:
    return connect(url, open_timeout=SECONDS, proxy=None)


def refused(url: str) -> int:
    with pytest.raises(InvalidStatus) as error, open_(url):
        pass
    return error.value.response.status_code


def hear(line: ClientConnection, word: bytes) -> bytes:
    said = b""
    while word not in said:
        said += bytes(line.recv(SECONDS))
    return said


def test_a_url_leads_to_the_page_that_shows_the_screen(
    cloud: Cloud, nova: Nova, server: str
) -> None:
    answer = create(nova, server)
    assert answer.status_code == 200
    shown = answer.json()["remote_console"]
    assert (shown["protocol"], shown["type"]) == ("vnc", "novnc")
    page = f"http://127.0.0.1:{cloud.ports['console']}/vnc_lite.html?path=%3Ftoken%3D"
    assert shown["url"].startswith(page)


def test_one_logs_in_on_the_serial_console(nova: Nova, server: str) -> None:
    with open_(url_of(nova, server)) as line:
        hear(line, b"login: ")
        line.send(b"root\r")
        hear(line, b"heard: root")
    output = nova.act(server, "os-getConsoleOutput", {"length": 10}).json()["output"]
    assert "heard: root" in output  # the log is written, whoever listens


def test_the_screen_is_drawn(nova: Nova, server: str) -> None:
    token = token_of(url_of(nova, server, "vnc", "novnc"))
    address = url_of(nova, server).partition("?")[0]
    with open_(f"{address}?token={token}") as screen:
        assert screen.recv(SECONDS) == b"RFB 003.008\n"
        screen.send(b"RFB 003.008\n")
        assert screen.recv(SECONDS) == b"\x01\x01"  # one may come in without a password
        screen.send(b"\x01\x01")
        hear(screen, b"instance-")
        screen.send(b"\x03\x00" + bytes(4) + b"\x00\x40\x00\x30")
        hear(screen, b"\x80\xf9")  # the picture's last line


def test_until_2_5_actions_give_the_urls(nova: Nova, server: str) -> None:
    for action, kind in (("os-getVNCConsole", "novnc"), ("os-getSerialConsole", "serial")):
        answer = nova.act(server, action, {"type": kind}, version="2.5")
        assert answer.status_code == 200 and answer.json()["console"]["type"] == kind
        path = f"/servers/{server}/action"
        nova.refused(404, "POST", path, {action: {"type": kind}}, version="2.6")
    assert create(nova, server, version="2.5").status_code == 404


@pytest.mark.parametrize(
    ("action", "kind", "text"),
    [
        ("os-getSPICEConsole", "spice-html5", "Unavailable console type spice-html5."),
        ("os-getVNCConsole", "xvpvnc", "Invalid console type xvpvnc"),
        ("os-getRDPConsole", "rdp-html5", "malformed or otherwise incorrect"),
        ("os-getVNCConsole", "spice-html5", "'spice-html5' is not one of"),
    ],
)
def test_actions_for_what_is_not_here_say_so(
    nova: Nova, server: str, action: str, kind: str, text: str
) -> None:
    body = {action: {"type": kind}}
    assert text in nova.refused(400, "POST", f"/servers/{server}/action", body, version="2.1")


@pytest.mark.parametrize(
    ("protocol", "kind", "version", "text"),
    [
        ("spice", "spice-html5", "2.6", "Unavailable console type spice-html5."),
        ("rdp", "rdp-html5", "2.6", "Unavailable console type rdp-html5."),
        ("mks", "webmks", "2.7", "'mks' is not one of"),
        ("mks", "webmks", "2.8", "Unavailable console type webmks."),
        ("spice", "spice-direct", "2.98", "'spice-direct' is not one of"),
        ("spice", "spice-direct", "2.99", "Unavailable console type spice-direct."),
        ("vnc", "xvpvnc", "2.96", "Invalid console type xvpvnc"),
        ("serial", "novnc", "2.96", "Invalid console type novnc"),
        ("telnet", "novnc", "2.96", "'telnet' is not one of"),
    ],
)
def test_consoles_that_are_not_here_are_refused(
    nova: Nova, server: str, protocol: str, kind: str, version: str, text: str
) -> None:
    body = {"remote_console": {"protocol": protocol, "type": kind}}
    path = f"/servers/{server}/remote-consoles"
    assert text in nova.refused(400, "POST", path, body, version=version)


def test_only_who_may_change_a_server_opens_its_console(nova: Nova, server: str) -> None:
    assert create(nova, server, user="reader").status_code == 403
    assert create(nova, server, user="stranger").status_code == 404
    assert create(nova, server, user="admin").status_code == 200
    assert create(nova, "4cd4e1c5-0000-4000-8000-000000000000").status_code == 404


def test_a_locked_server_can_be_watched(nova: Nova, server: str) -> None:
    nova.act(server, "lock", version="2.1")
    assert create(nova, server).status_code == 200
    nova.act(server, "unlock", version="2.1")


def test_a_console_is_opened_once(nova: Nova, server: str) -> None:
    url = url_of(nova, server)
    with open_(url) as line:
        hear(line, b"login: ")
        assert refused(url) == 403
    assert refused(url) == 403
    assert (
        nova.call("GET", f"/os-console-auth-tokens/{token_of(url)}", user="admin").status_code
        == 404
    )


def test_tokens_can_be_looked_up_by_other_proxies(nova: Nova, server: str) -> None:
    path = f"/os-console-auth-tokens/{token_of(url_of(nova, server, 'vnc', 'novnc'))}"
    shown = {"instance_uuid": server, "host": "host-1", "port": 0, "internal_access_path": None}
    for user in ("admin", "service"):
        assert nova.get(path, user=user, version="2.31") == {"console": shown}
    assert nova.get(path, user="admin", version="2.99") == {"console": {**shown, "tls_port": None}}
    nova.refused(400, "GET", path, user="admin", version="2.30")
    nova.refused(403, "GET", path, version="2.31")
    for none in ("none", "%ed%a0%80", "%ff%fe", "%F0%9F%98%80" * 50, "..%2f.."):
        nova.refused(404, "GET", f"/os-console-auth-tokens/{none}", user="admin", version="2.31")


def test_a_console_is_closed_when_its_server_stops(nova: Nova) -> None:
    server = nova.launch(name="stops")
    with open_(url_of(nova, server)) as line:
        hear(line, b"login: ")
        nova.act(server, "os-stop")
        with pytest.raises(ConnectionClosed):
            line.recv(SECONDS)
    nova.settled(server)
    assert refused(url_of(nova, server)) == 403
    nova.delete(server)


def test_cve_2013_0335_a_token_dies_with_its_server(nova: Nova) -> None:
    server = nova.launch(name="dies")
    unused, url = url_of(nova, server), url_of(nova, server)
    with open_(url) as line:
        hear(line, b"login: ")
        nova.delete(server)
        with pytest.raises(ConnectionClosed):
            line.recv(SECONDS)
    after = nova.launch(name="next")  # a console port of the dead one would be its now
    assert refused(unused) == 403
    assert (
        nova.call("GET", f"/os-console-auth-tokens/{token_of(unused)}", user="admin").status_code
        == 404
    )
    assert create(nova, server).status_code == 404
    nova.delete(after)


def test_cve_2015_0259_a_foreign_page_opens_no_console(nova: Nova, server: str) -> None:
    url = url_of(nova, server)
    headers = {"Origin": "http://evil.test"}
    with pytest.raises(InvalidStatus), connect(url, additional_headers=headers, proxy=None):
        pass
    with open_(url) as line:
        hear(line, b"login: ")


def test_no_token_of_a_console_is_kept_anywhere(cloud: Cloud, nova: Nova, server: str) -> None:
    used, unused = token_of(url := url_of(nova, server)), token_of(url_of(nova, server))
    with open_(url) as line:
        hear(line, b"login: ")
    assert nova.get(f"/os-console-auth-tokens/{unused}", user="admin")
    nova.call("GET", f"/os-console-auth-tokens/{unused}/x", user="admin")
    nova.delete(nova.launch(name="flush"))  # spans of a launch and before it are written by then
    for path in _files(cloud.folder):
        for token in (used, unused):
            assert token.encode() not in path.read_bytes(), path


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.stat().st_size < 2**28)
