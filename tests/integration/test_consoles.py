"""A real guest's screen in a real browser, and its serial console at one's fingertips.

The whole cloud in one process, libvirt with emulated guests, Debian's noVNC
and Debian's chromium. One guest serves all tests.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests import browser
from tests.cloud import Cloud
from tests.integration import private_libvirt
from tests.nova import Nova, furnish

pytestmark = [pytest.mark.integration, pytest.mark.slow]

GUEST_IMAGE = Path(__file__).parents[2] / "build" / "guest" / "minova-guest.qcow2"
NOVNC = Path("/usr/share/novnc/vnc_lite.html")
USER, PASSWORD = "cirros", "n3w-s3cret"
SECONDS = 30
BOOT_SECONDS = 120
# How many pixels of the guest's screen are not black.
LIT = """(() => {
    const canvas = document.querySelector('canvas');
    if (!canvas || !canvas.width) return 0;
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let lit = 0;
    for (let at = 0; at < data.length; at += 4)
        if (data[at] || data[at + 1] || data[at + 2]) lit++;
    return lit;
})()"""


@dataclass
class Lab:
    nova: Nova
    server: str

    def url(self, protocol: str, kind: str) -> str:
        body = {"remote_console": {"protocol": protocol, "type": kind}}
        answer = self.nova.call("POST", f"/servers/{self.server}/remote-consoles", body)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["remote_console"]["url"])

    def log(self) -> str:
        answer = self.nova.act(self.server, "os-getConsoleOutput", {})
        return str(answer.json()["output"])


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    reason = private_libvirt.missing()
    if reason or not GUEST_IMAGE.exists():
        pytest.skip(f"no guests here: {reason or 'run tools/build-guest-image first'}")
    with private_libvirt.PrivateLibvirt() as host:
        libvirt = {"virt_type": "qemu", "connection_uri": host.uri}
        options = {"compute": {"virt_driver": "libvirt"}, "libvirt": libvirt}
        cloud = Cloud(host.path / "cloud", options=options)
        try:
            cloud.start()
            nova = furnish(cloud)
            host.add_bridge("br-" + nova.network[:11])
            yield Lab(nova, _launch(nova))
        finally:
            cloud.stop()


def _launch(nova: Nova) -> str:
    admin, demo = nova.connections["admin"], nova.connections["demo"]
    flavor = admin.compute.create_flavor(name="m1.tiny", ram=128, vcpus=1, disk=1)
    image = demo.image.create_image(
        name="guest",
        filename=str(GUEST_IMAGE),
        disk_format="qcow2",
        container_format="bare",
        wait=True,
        hw_qemu_guest_agent="yes",
        os_admin_user=USER,
    )
    return nova.launch(flavorRef=flavor.id, imageRef=image.id)


class Line:
    """A serial console: what is heard, and what one types."""

    def __init__(self, websocket: ClientConnection) -> None:
        self._websocket = websocket
        self.heard = ""

    def type(self, text: str) -> None:
        self._websocket.send(text.encode() + b"\r")

    def expect(self, pattern: str, seconds: float = SECONDS) -> str:
        """Wait until the guest says it; what it said, of which the next time begins after it."""
        while not (match := re.search(pattern, self.heard)):
            data = self._websocket.recv(seconds)
            self.heard += bytes(data).decode("utf-8", "replace")  # type: ignore[arg-type]
        self.heard = self.heard[match.end() :]
        return match[0]


def test_one_logs_in_on_the_serial_console_with_a_new_password(lab: Lab) -> None:
    """What the guest's agent does besides is in test_guest_agent."""
    answer = lab.nova.act(lab.server, "changePassword", {"adminPass": PASSWORD})
    assert answer.status_code == 202, answer.text
    with connect(lab.url("serial", "serial"), proxy=None) as websocket:
        line = Line(websocket)
        lab.nova.until(lambda: "ttyS0" in lab.log(), "the guest asks who one is")
        line.type("")
        line.expect("login: ", BOOT_SECONDS)
        line.type(USER)
        line.expect("Password: ")
        line.type(PASSWORD)
        line.expect(r"\$ ")
        line.type("echo sum-$((6 * 7))-$(hostname)")
        assert line.expect(r"sum-42-\w+")
        line.type("sudo killall -STOP qemu-ga; echo stopped-$?")
        line.expect("stopped-0")
        line.type("exit")
    assert "sum-42-vm" in lab.log(), "the console's log is written all the same"
    path = f"/servers/{lab.server}/action"
    said = lab.nova.refused(501, "POST", path, {"changePassword": {"adminPass": "another"}})
    assert "qemu-guest-agent runs" in said
    assert lab.nova.settled(lab.server)["status"] == "ACTIVE"


@pytest.mark.skipif(not browser.CHROMIUM, reason="no chromium here")
@pytest.mark.skipif(not NOVNC.exists(), reason="no noVNC here")
def test_the_screen_is_seen_in_a_browser_and_takes_keys(lab: Lab, tmp_path: Path) -> None:
    lab.nova.until(lambda: "ready, interfaces" in lab.log(), "the guest is up")
    with browser.page(tmp_path) as page:
        page.open(lab.url("vnc", "novnc"))
        page.until("document.querySelector('#status')?.textContent.startsWith('Connected')", "VNC")
        lit = page.until(LIT, "the guest's screen is black")
        page.screenshot(tmp_path / "console.png")
        page.evaluate("document.querySelector('canvas').focus()")
        page.type(f"{USER}\n")
        page.until(f"{LIT} > {lit} + 100", "what is typed does not show")
        page.screenshot(tmp_path / "typed.png")
        unexpected = [text for text in page.complaints if "favicon.ico" not in text]
        assert unexpected == []


def test_a_second_look_needs_a_second_url(lab: Lab) -> None:
    url = lab.url("vnc", "novnc").replace("http", "ws").replace("vnc_lite.html?path=%3F", "?")
    url = url.replace("token%3D", "token=")
    with connect(url, proxy=None) as screen:
        assert screen.recv(SECONDS) == b"RFB 003.008\n"
    with pytest.raises(Exception, match="HTTP 403"), connect(url, proxy=None):
        pass


def test_the_consoles_close_with_the_server(lab: Lab) -> None:
    with connect(lab.url("serial", "serial"), proxy=None) as line:
        lab.nova.delete(lab.server)
        with pytest.raises(ConnectionClosed):
            while True:
                line.recv(SECONDS)
