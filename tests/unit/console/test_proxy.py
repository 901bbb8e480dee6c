"""minova-console as browsers and others reach it, with a fake host's nova-compute behind it."""

import contextlib
import http.client
import logging
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from oslo_config import cfg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from minova.compute.consoles import Gate
from minova.console import proxy as proxy_module
from minova.console import wire
from minova.console.proxy import Proxy
from minova.db.console_tokens import hash_of
from minova.model import states
from minova.model.console import Grant
from minova.model.instance import Instance
from minova.virt.fake import FakeDriver, FakeHost
from tests.configuration import configure
from tests.unit.virt import nouns

PAGE = "http://console.test:6080"
SECONDS = 10


@dataclass
class Conductor:
    """What the gate asks: each token opens one console once."""

    grants: dict[str, Grant] = field(default_factory=dict)

    def use_console_token(self, ctxt: Any, token_hash: str, host: str) -> Grant | None:
        return self.grants.pop(token_hash, None)


@dataclass
class Rig:
    proxy: Proxy
    gate: Gate
    conductor: Conductor
    driver: FakeDriver
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1000)))

    def server(self) -> Instance:
        instance = nouns.instance_of(nouns.image_of(b""))
        self.driver.spawn(instance, None, [], [], None)
        return instance

    def token(self, instance: Instance, protocol: str = "serial") -> str:
        token = f"token-number-{next(self.numbers):08}"
        self.conductor.grants[hash_of(token)] = Grant(instance, protocol)
        return token

    def open(self, token: str, **options: Any) -> ClientConnection:
        url = f"ws://127.0.0.1:{self.proxy.port}/?token={token}"
        return connect(url, open_timeout=SECONDS, proxy=None, **options)

    def refused(self, token: str, **options: Any) -> int:
        with pytest.raises(InvalidStatus) as error, self.open(token, **options):
            pass
        return error.value.response.status_code

    def get(self, path: str, method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.proxy.port, timeout=SECONDS)
        connection.request(method, path, headers=headers)
        return connection.getresponse()


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Any]:
    configure()
    pages = tmp_path / "novnc"
    pages.mkdir()
    (pages / "vnc_lite.html").write_text("<html>noVNC</html>")
    rigs: list[Rig] = []

    def made(**options: Any) -> Rig:
        settings = {
            "gate_path": str(tmp_path / ("deep" * 40) / "consoles"),
            "novnc_path": str(pages),
            "novnc_base_url": f"{PAGE}/vnc_lite.html",
            "port": 0,
            **options,
        }
        for name, value in settings.items():
            cfg.CONF.set_override(name, value, "console")
        conductor, driver = Conductor(), FakeDriver(FakeHost())
        rig = Rig(Proxy(), Gate(driver, conductor, "host"), conductor, driver)  # type: ignore[arg-type]
        rig.gate.start()
        rig.proxy.start()
        rigs.append(rig)
        return rig

    yield made
    for rig in rigs:
        rig.proxy.stop()
        rig.gate.stop()
    for name in ("gate_path", "novnc_path", "novnc_base_url", "port", "allowed_origins"):
        cfg.CONF.clear_override(name, "console")
    for name in ("session_ttl", "max_connections"):
        cfg.CONF.clear_override(name, "console")


@pytest.fixture
def rig(make: Any) -> Rig:
    rig: Rig = make()
    return rig


def test_one_types_and_the_guest_answers(rig: Rig) -> None:
    with rig.open(rig.token(rig.server()), subprotocols=["binary", "base64"]) as line:
        assert line.subprotocol == "binary"
        assert line.recv(SECONDS) == b"fake guest login: "
        line.send(b"ro")
        line.send("ot\r")
        said = b""
        while b"heard: root" not in said:
            said += bytes(line.recv(SECONDS))


def test_a_screen_speaks_rfb(rig: Rig) -> None:
    with rig.open(rig.token(rig.server(), "vnc")) as screen:
        assert screen.recv(SECONDS) == b"RFB 003.008\n"
        screen.send(b"RFB 003.008\n")
        assert screen.recv(SECONDS) == b"\x01\x01"


def test_a_url_opens_one_connection(rig: Rig) -> None:
    token = rig.token(rig.server())
    with rig.open(token):
        assert rig.refused(token) == 403
    assert rig.refused(token) == 403


def test_a_console_that_is_refused_gets_not_one_byte(rig: Rig) -> None:
    answer = rig.get(
        "/?token=bad-token-bad-token",
        Upgrade="websocket",
        Connection="Upgrade",
        **{"Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==", "Sec-WebSocket-Version": "13"},
    )
    assert (answer.status, answer.read()) == (403, b"")


def test_ossn_0023_a_token_reaches_no_log(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = rig.server()
    with rig.open(token := rig.token(server)) as line:
        line.recv(SECONDS)
    assert rig.refused(token) == 403
    ours = [r for r in caplog.records if not r.name.startswith("websockets")]  # the client's own
    assert any(server.uuid in record.getMessage() for record in ours)
    assert [record for record in ours if token in record.getMessage()] == []


@pytest.mark.parametrize("token", ["", "short", "a" * 200, "../../../etc/passwd-xxxx", "%00" * 20])
def test_what_is_no_token_opens_nothing(rig: Rig, token: str) -> None:
    assert rig.refused(token) == 403


@pytest.mark.parametrize(
    "origin",
    [
        "http://evil.test",
        "http://evil.test:6080",
        "https://console.test:6080",
        "http://console.test",
        "http://console.test:6080.evil.test",
        "null",
        "",
    ],
)
def test_cve_2015_0259_a_foreign_page_opens_no_console(rig: Rig, origin: str) -> None:
    token = rig.token(rig.server())
    headers = {"Origin": origin}
    assert rig.refused(token, additional_headers=headers) == 403
    # The token is as good as before for the page it is meant for.
    with rig.open(token, origin=PAGE):
        pass


def test_cve_2015_0259_a_forged_host_makes_no_page_ours(rig: Rig) -> None:
    token = rig.token(rig.server())
    with socket.create_connection(("127.0.0.1", rig.proxy.port), timeout=SECONDS) as client:
        client.sendall(_handshake(token, host="evil.test", origin="http://evil.test"))
        assert client.recv(4096).startswith(b"HTTP/1.1 403 ")


def test_ossn_0101_a_thousand_forged_hosts_teach_it_no_origin(rig: Rig) -> None:
    token = rig.token(rig.server())
    for _ in range(1000):
        with socket.create_connection(("127.0.0.1", rig.proxy.port), timeout=SECONDS) as client:
            client.sendall(b"GET /nothing HTTP/1.1\r\nHost: evil.test:6080\r\n\r\n")
            assert client.recv(64).startswith(b"HTTP/1.1 404 ")
    assert rig.refused(token, origin="http://evil.test:6080") == 403


def _handshake(token: str, *, host: str, origin: str) -> bytes:
    return (
        f"GET /?token={token} HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n"
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: x3JJHMbDL1EzLkh9GBhXDw==\r\n\r\n"
    ).encode()


def test_pages_that_the_operator_names_may_open_consoles(make: Any) -> None:
    rig = make(allowed_origins=["https://Horizon.test/"])
    with rig.open(rig.token(rig.server()), origin="https://horizon.test"):
        pass


def test_the_console_of_a_guest_that_stops_is_closed(rig: Rig) -> None:
    server = rig.server()
    with rig.open(rig.token(server)) as line:
        line.recv(SECONDS)
        rig.driver.power_off(server, 0)
        with pytest.raises(ConnectionClosed) as error:
            line.recv(SECONDS)
        assert error.value.rcvd is not None and "guest has closed it" in error.value.rcvd.reason
    assert rig.driver.power_state(server) == states.SHUTDOWN


def test_a_stopped_guest_has_no_console(rig: Rig) -> None:
    server = rig.server()
    rig.driver.power_off(server, 0)
    assert rig.refused(rig.token(server)) == 403


def test_an_open_console_is_closed_in_time(make: Any) -> None:
    rig = make(session_ttl=1)
    with rig.open(rig.token(rig.server())) as line:
        line.recv(SECONDS)
        with pytest.raises(ConnectionClosed) as error:
            line.recv(SECONDS)
        assert error.value.rcvd is not None and "time is over" in error.value.rcvd.reason


def test_who_comes_later_has_the_serial_line(rig: Rig) -> None:
    server = rig.server()
    with rig.open(rig.token(server)) as first:
        first.recv(SECONDS)
        with rig.open(rig.token(server)) as second:
            with pytest.raises(ConnectionClosed):
                first.recv(SECONDS)
            second.send(b"mine\r")
            said = b""
            while b"heard: mine" not in said:
                said += bytes(second.recv(SECONDS))


def test_a_screen_is_seen_by_several(rig: Rig) -> None:
    server = rig.server()
    with rig.open(rig.token(server, "vnc")) as one, rig.open(rig.token(server, "vnc")) as two:
        assert one.recv(SECONDS) == two.recv(SECONDS) == b"RFB 003.008\n"


def test_without_nova_compute_it_says_so(rig: Rig) -> None:
    token = rig.token(rig.server())
    rig.gate.stop()
    assert rig.refused(token) == 503


def test_who_asks_nothing_keeps_nobody_from_a_console(rig: Rig) -> None:
    with contextlib.ExitStack() as silent:
        for _ in range(20):
            client = silent.enter_context(socket.socket(socket.AF_UNIX))
            with wire._address(wire.gate()) as address:
                client.connect(address)
        with rig.open(rig.token(rig.server())) as line:
            line.recv(SECONDS)


def test_a_driver_that_breaks_says_no_more_than_that(rig: Rig) -> None:
    rig.driver.faults["open_console"] = OSError(2, "/var/lib/secret")
    assert rig.refused(rig.token(rig.server())) == 403
    del rig.driver.faults["open_console"]
    with rig.open(rig.token(rig.server())) as line:
        line.recv(SECONDS)


def test_the_page_is_served_whatever_its_query_says(rig: Rig) -> None:
    answer = rig.get("/vnc_lite.html?path=%3Ftoken%3Dwhatever")
    assert (answer.status, answer.read()) == (200, b"<html>noVNC</html>")


def test_cve_2021_3654_the_listener_redirects_nobody(rig: Rig) -> None:
    answer = rig.get("//evil.com/%2f..")
    assert answer.status == 400 and answer.getheader("Location") is None


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_only_get_is_understood(rig: Rig, method: str) -> None:
    assert rig.get("/vnc_lite.html", method).status == 405


@pytest.mark.parametrize(
    "request_",
    [b"rubbish\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n"],
)
def test_rubbish_is_refused(rig: Rig, request_: bytes) -> None:
    with socket.create_connection(("127.0.0.1", rig.proxy.port), timeout=SECONDS) as client:
        client.sendall(request_)
        assert client.recv(64).startswith(b"HTTP/1.1 400 ")


def test_a_request_without_end_is_cut_off(rig: Rig) -> None:
    with socket.create_connection(("127.0.0.1", rig.proxy.port), timeout=SECONDS) as client:
        with pytest.raises(OSError):
            client.sendall(b"GET / HTTP/1.1\r\n")
            while True:
                client.sendall(b"X-Much: " + b"y" * 4000 + b"\r\n")


def test_a_request_that_never_comes_holds_no_place(
    make: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_module, "_REQUEST_SECONDS", 0.3)
    rig = make(max_connections=1)
    with socket.create_connection(("127.0.0.1", rig.proxy.port), timeout=SECONDS) as slow:
        assert slow.recv(1) == b""
    assert rig.proxy._places.acquire(timeout=SECONDS)
    rig.proxy._places.release()
    assert rig.get("/vnc_lite.html").status == 200


def test_no_more_connections_than_configured(make: Any) -> None:
    rig = make(max_connections=1)
    with rig.open(rig.token(rig.server())) as line:
        line.recv(SECONDS)
        with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
            rig.get("/vnc_lite.html")


def test_stopping_closes_what_is_open(rig: Rig) -> None:
    with rig.open(rig.token(rig.server())) as line:
        line.recv(SECONDS)
        rig.proxy.stop()
        with pytest.raises(ConnectionClosed):
            line.recv(SECONDS)
