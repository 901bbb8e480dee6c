"""One host with its network agent's driver, and guests on it: fixtures of the agent's tests.

Everything is in network namespaces (`netlab.py`); only root can make them.
"""

import http.client
import os
import socket
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from minova.companions.network.agent import bridge
from minova.companions.network.agent.cleanup import cleanup_all
from minova.companions.network.agent.linuxbridge import LinuxBridgeDriver, Options
from minova.companions.network.agent.names import Names
from minova.companions.network.wire import (
    GroupWiring,
    HostState,
    NetworkWiring,
    PortWiring,
    Rule,
)
from tests.integration import netlab
from tests.integration.netlab import Guest

NAMES = Names("minovatest")
SECRET = "metadata secret of the test"
WEB, OPEN, CLOSED = "group-web", "group-open", "group-closed"


def rule(number: int, direction: str, ethertype: str = "IPv4", **kw: Any) -> Rule:
    return Rule(f"rule-{number}", direction, ethertype, **kw)


ALL_OUT = [rule(1, "egress"), rule(2, "egress", "IPv6")]


class World:
    """One host with its agent's driver, and what was plugged into it."""

    def __init__(self, work_path: Path, upstream: int) -> None:
        self.work_path, self.upstream = work_path, upstream
        self.status: list[tuple[str, bool]] = []
        self.tag = uuid.uuid4().hex[:6]
        self.guests: list[Guest] = []
        self.groups: dict[str, GroupWiring] = {}
        self.driver = self.start()

    def start(self) -> LinuxBridgeDriver:
        driver = LinuxBridgeDriver(
            Options(
                work_path=self.work_path,
                lease_seconds=600,
                dns_forwarders=("198.51.100.1",),
                metadata_url=f"http://127.0.0.1:{self.upstream}",
                metadata_secret=SECRET,
                names=NAMES,
            )
        )
        driver.start(lambda port_id, up: self.status.append((port_id, up)))
        return driver

    def restart(self) -> None:
        self.driver.stop()
        self.driver = self.start()

    def group(self, group_id: str, rules: list[Rule], members: list[str] | None = None) -> None:
        self.groups[group_id] = GroupWiring(group_id, rules, members or [])

    def ensure(self, of: NetworkWiring, wiring: PortWiring) -> PortWiring:
        self.driver.ensure_port(wiring, of, list(self.groups.values()))
        return wiring

    def guest(self, of: NetworkWiring, last: int, groups: list[str], **changes: Any) -> Guest:
        """A port made ready and a guest plugged into it."""
        wiring = self.ensure(of, netlab.port(of, last, security_groups=groups, **changes))
        return self.plug(of, wiring).boot()

    def plug(self, of: NetworkWiring, wiring: PortWiring) -> Guest:
        guest = Guest(f"mt-{self.tag}-{len(self.guests)}", wiring, of)
        self.guests.append(guest)
        return guest

    def state(self, *networks: NetworkWiring) -> HostState:
        return HostState(
            networks=list(networks),
            ports=[guest.wiring for guest in self.guests],
            groups=list(self.groups.values()),
        )

    def close(self) -> None:
        for guest in self.guests:
            guest.unplug()
        self.driver.stop()
        assert cleanup_all(self.work_path, NAMES) == []


@pytest.fixture
def host() -> Iterator[None]:
    with netlab.host(f"mt-{uuid.uuid4().hex[:6]}-host"):
        yield


@pytest.fixture
def upstream(host: None) -> Iterator[ThreadingHTTPServer]:
    """nova's metadata API: answers with what it was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            server.asked.append((self.command, self.path, dict(self.headers), body))
            self.send_response(200)
            answer = f"{self.command} {self.path}".encode()
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        do_POST = do_GET

        def log_message(self, *args: Any) -> None:
            return

    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def work_path() -> Iterator[Path]:
    """Where others may enter, so that dnsmasq runs as nobody, as on a true host."""
    with tempfile.TemporaryDirectory(prefix="minova-test-") as folder:
        os.chmod(folder, 0o755)
        former = os.umask(0o077)
        yield Path(folder) / "network"
        os.umask(former)


@pytest.fixture
def world(upstream: Any, work_path: Path) -> Iterator[World]:
    made = World(work_path, upstream.server_address[1])
    made.group(OPEN, [*ALL_OUT, rule(3, "ingress"), rule(4, "ingress", "IPv6")])
    made.group(CLOSED, ALL_OUT)
    yield made
    made.close()


def ask(path: str, method: str = "GET", body: bytes = b"", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("169.254.169.254", timeout=5)
    try:
        connection.request(method, path, body or None, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def links() -> dict[str, str]:
    with bridge.IPRoute() as ip:
        return {link.get("ifname"): link.get("ifalias") or "" for link in ip.link("dump")}


def ruleset() -> str:
    command = ["nft", "-s", "-n", "list", "ruleset"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def add_route(destination: str, gateway: str) -> None:
    with bridge.IPRoute() as ip:
        ip.route("add", dst=destination, gateway=gateway)


def resolve(server: str, name: str, seconds: float = 3) -> bool:
    """Whether a DNS question gets any answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(seconds)
        labels = [bytes([len(label)]) + label.encode() for label in name.split(".")]
        question = b"".join(labels) + b"\0\0\1\0\1"
        sock.sendto(b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + question, (server, 53))
        try:
            return sock.recv(512)[:2] == b"\x12\x34"
        except OSError:
            return False
