"""Consoles as users of the commands open them, in one process and in many."""

from collections.abc import Iterator

import pytest
import requests
from websockets.sync.client import connect

from tests.clients import Clients
from tests.cloud import Cloud
from tests.nova import Nova

SECONDS = 10


@pytest.fixture(scope="module")
def server(nova: Nova) -> Iterator[str]:
    server_id = nova.launch(name="screen")
    yield server_id
    nova.delete(server_id)


def typed(url: str, line: bytes) -> bytes:
    """What the guest says to it on its serial console."""
    with connect(url, open_timeout=SECONDS, proxy=None) as console:
        console.send(line)
        said = b""
        while b"heard: " not in said:
            said += bytes(console.recv(SECONDS))
        return said


def test_the_openstack_command_shows_where_the_consoles_are(
    cloud: Cloud, demo: Clients, server: str
) -> None:
    shown = demo.json("openstack console url show --novnc screen")
    assert (shown["protocol"], shown["type"]) == ("vnc", "novnc")
    page = f"http://127.0.0.1:{cloud.ports['console']}/vnc_lite.html"
    assert shown["url"].startswith(f"{page}?path=%3Ftoken%3D")
    assert requests.get(page, timeout=SECONDS).status_code in (200, 404)  # 404: no noVNC here
    socket = shown["url"].replace("http", "ws").replace("vnc_lite.html?path=%3Ftoken%3D", "?token=")
    with connect(socket, open_timeout=SECONDS, proxy=None) as screen:
        assert screen.recv(SECONDS) == b"RFB 003.008\n"
    serial = demo.json("openstack console url show --serial screen")
    assert (serial["protocol"], serial["type"]) == ("serial", "serial")
    assert b"heard: whoami" in typed(serial["url"], b"whoami\r")
    assert "heard: whoami" in demo("openstack console log show screen")


def test_consoles_that_are_not_here_are_told_apart(demo: Clients, server: str) -> None:
    said = demo.refused("openstack console url show --spice screen")
    assert "Unavailable console type spice-html5." in said
    assert "No Server found" in demo.refused("openstack console url show nope")


def test_the_nova_command_opens_them_too(cloud: Cloud, demo: Clients, server: str) -> None:
    shown = demo("nova get-vnc-console screen novnc")
    assert f":{cloud.ports['console']}/vnc_lite.html" in shown
    shown = demo("nova get-serial-console screen")
    (url,) = (word for word in shown.split() if word.startswith("ws://"))
    assert b"heard: id" in typed(url, b"id\r")
