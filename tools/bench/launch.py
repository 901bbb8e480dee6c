"""A launch against the same domain started bare by libvirt, interleaved.

    .venv/bin/python tools/bench/launch.py [--rounds 10] [--json]        # of the running lab
    .venv/bin/python tools/bench/launch.py --own embedded|full [--json]  # of a cloud it starts

Minova's side begins with POST /servers, with a warm image cache. Libvirt's
begins with `define` of minova's own domain XML under another name, its
overlay on the same base and its config drive lying ready. Both end twice:
when libvirt says that the domain runs, and when the guest's first line is
in the console's log. The overhead is minova's time less libvirt's.

A cloud of its own has a private libvirtd and a network without an agent:
for machines whose lab is in use. It boots what `tools/build-guest-image`
made; the full profile needs the servers of `tools/with-servers.sh`.
"""

import argparse
import contextlib
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import libvirt
import openstack
import requests
from openstack.connection import Connection

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import figures

from tests.cloud import Cloud
from tests.full import full_cloud

MARK = b"MINOVA-GUEST:"
GUEST = Path(__file__).resolve().parents[2] / "build" / "guest" / "minova-guest.qcow2"
LOOK_SECONDS = 0.002
DEADLINE = 120.0


@dataclass
class Lab:
    """Where to launch: a user's connection, the hypervisor, and what to ask for."""

    demo: Connection
    uri: str
    body: dict[str, Any]


@dataclass
class Times:
    """Seconds from the beginning: the domain runs, the guest's first line is there."""

    running: float
    console: float


class Events:
    """When each domain started, by libvirt's own events."""

    def __init__(self, uri: str) -> None:
        self._started: dict[str, float] = {}
        self._news = threading.Condition()
        libvirt.virEventRegisterDefaultImpl()
        threading.Thread(target=self._loop, daemon=True).start()
        self.connection = libvirt.open(uri)
        self.connection.domainEventRegisterAny(
            None, libvirt.VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._on_event, None
        )

    def started(self, domain_uuid: str) -> float:
        """The moment (time.monotonic) the domain started; waits for it."""
        with self._news:
            if not self._news.wait_for(lambda: domain_uuid in self._started, DEADLINE):
                raise TimeoutError(f"domain {domain_uuid} does not start")
            return self._started[domain_uuid]

    def _on_event(self, _conn: Any, domain: Any, event: int, _detail: int, _: Any) -> None:
        now = time.monotonic()
        if event == libvirt.VIR_DOMAIN_EVENT_STARTED:
            with self._news:
                self._started[domain.UUIDString()] = now
                self._news.notify_all()

    @staticmethod
    def _loop() -> None:
        while True:
            libvirt.virEventRunDefaultImpl()


class Minova:
    """Launches and deletes servers as a client does, on one warm connection."""

    def __init__(self, lab: Lab, events: Events) -> None:
        self._events, self._body = events, {"server": lab.body}
        self._url = str(lab.demo.compute.get_endpoint()).rstrip("/") + "/servers"
        self._session = requests.Session()
        self._session.headers["X-Auth-Token"] = str(lab.demo.auth_token)

    def launch(self) -> tuple[str, Times]:
        """The server's id, and how long it took."""
        begin = time.monotonic()
        answer = self._session.post(self._url, json=self._body, timeout=60)
        answer.raise_for_status()
        server = str(answer.json()["server"]["id"])
        running = self._events.started(server)
        console = first_line(console_log(self.domain(server)))
        self.until(server, lambda r: r.json()["server"]["status"] == "ACTIVE")
        return server, Times(running - begin, console - begin)

    def domain(self, server: str) -> ElementTree.Element:
        found = self._events.connection.lookupByUUIDString(server)
        return ElementTree.fromstring(found.XMLDesc(0))

    def delete(self, server: str) -> None:
        self._session.delete(f"{self._url}/{server}", timeout=60).raise_for_status()
        self.until(server, lambda r: r.status_code == 404)

    def until(self, server: str, done: Callable[[requests.Response], bool]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not done(answer := self._session.get(f"{self._url}/{server}", timeout=60)):
            if time.monotonic() > deadline:
                raise TimeoutError(answer.text)
            time.sleep(0.1)


class Bare:
    """The same domain by libvirt alone; made from one that minova runs."""

    def __init__(self, events: Events, like: ElementTree.Element, folder: Path) -> None:
        self._events, self._folder = events, folder
        self._like = ElementTree.tostring(like)
        root = Path(_source(like, "disk"))
        shown = subprocess.run(
            ["qemu-img", "info", "-U", "--output=json", str(root)],
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        self._base = re.findall(r'"full-backing-filename": "([^"]+)"', shown)[-1]
        self._base_format = re.findall(r'"backing-filename-format": "([^"]+)"', shown)[-1]
        self._size = re.findall(r'"virtual-size": (\d+)', shown)[-1]
        self._config_drive = folder / "config"
        shutil.copyfile(_source(like, "cdrom"), self._config_drive)

    def launch(self) -> Times:
        """How long it took; the domain is gone again."""
        domain_uuid = str(uuid.uuid4())
        home = self._folder / domain_uuid
        home.mkdir()
        home.chmod(0o711)
        overlay = ("-b", self._base, "-F", self._base_format, str(home / "disk"), self._size)
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *overlay], check=True)
        shutil.copyfile(self._config_drive, home / "disk.config")
        xml = self._xml(domain_uuid, home)
        begin = time.monotonic()
        domain = self._events.connection.defineXML(xml)
        try:
            domain.create()
            running = self._events.started(domain_uuid)
            console = first_line(home / "console.log")
        finally:
            with contextlib.suppress(libvirt.libvirtError):
                domain.destroy()
            domain.undefine()
            shutil.rmtree(home)
        return Times(running - begin, console - begin)

    def _xml(self, domain_uuid: str, home: Path) -> str:
        """Minova's XML with a name, files, a MAC and a tap of its own."""
        domain = ElementTree.fromstring(self._like)
        domain.attrib.pop("id", None)
        _child(domain, "name").text = f"bare-{domain_uuid[:8]}"
        _child(domain, "uuid").text = domain_uuid
        for entry in domain.iterfind("./sysinfo/system/entry"):
            if entry.get("name") in ("uuid", "serial"):
                entry.text = domain_uuid
        for disk in domain.iterfind("./devices/disk"):
            name = "disk.config" if disk.get("device") == "cdrom" else "disk"
            _child(disk, "source").set("file", str(home / name))
            for grown in ("backingStore", "alias"):
                for child in disk.findall(grown):
                    disk.remove(child)
        for interface in domain.iterfind("./devices/interface"):
            tail = domain_uuid.replace("-", "")
            _child(interface, "mac").set("address", f"52:54:00:{tail[:2]}:{tail[2:4]}:{tail[4:6]}")
            _child(interface, "target").set("dev", f"bare{tail[:8]}")
        for log in domain.iterfind("./devices/*/log"):
            log.set("file", str(home / "console.log"))
        for label in domain.findall("seclabel"):
            domain.remove(label)
        return ElementTree.tostring(domain, encoding="unicode")


def _child(parent: ElementTree.Element, name: str) -> ElementTree.Element:
    found = parent.find(name)
    assert found is not None, f"<{parent.tag}> has no <{name}>"
    return found


def _source(domain: ElementTree.Element, device: str) -> str:
    disk = domain.find(f"./devices/disk[@device='{device}']")
    assert disk is not None, f"the domain has no {device}"
    return str(_child(disk, "source").get("file"))


def console_log(domain: ElementTree.Element) -> Path:
    log = domain.find("./devices/serial/log")
    assert log is not None, "the domain has no console log"
    return Path(str(log.get("file")))


def first_line(path: Path) -> float:
    """The moment the guest's first line was seen in the log."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        with contextlib.suppress(FileNotFoundError):
            if MARK in path.read_bytes():
                return time.monotonic()
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"no {MARK.decode()} in {path}")


@contextlib.contextmanager
def running_lab(arguments: argparse.Namespace) -> Iterator[Lab]:
    """The lab that devstack/stack.sh made."""
    os.environ.setdefault("OS_CLIENT_CONFIG_FILE", "/etc/minova/clouds.yaml")
    demo = openstack.connect(cloud="minova")
    yield Lab(demo, "qemu:///system", _body(demo, "minova-guest", "m1.nano", "private"))


@contextlib.contextmanager
def own_cloud(arguments: argparse.Namespace) -> Iterator[Lab]:
    """A cloud of this run alone, with a private libvirtd."""
    # The lab, as stack.sh installs it, has none of what tests need.
    from tests.integration.private_libvirt import PrivateLibvirt

    with PrivateLibvirt() as host:
        options: dict[str, dict[str, object]] = {
            "compute": {"virt_driver": "libvirt"},
            "libvirt": {"virt_type": arguments.virt_type, "connection_uri": host.uri},
        }
        make = full_cloud if arguments.own == "full" else Cloud
        cloud = make(host.path / "cloud", options=options)
        try:
            admin = cloud.start().connect("admin")
            admin.compute.create_flavor(name="bench", ram=128, vcpus=1, disk=1)
            admin.image.create_image(
                "bench",
                data=GUEST.read_bytes(),
                disk_format="qcow2",
                container_format="bare",
                visibility="public",
                wait=True,
            )
            network = admin.network.create_network(name="bench", is_shared=True)
            admin.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.201.0.0/24")
            host.add_bridge("br-" + network.id[:11])
            demo = cloud.connect("demo")
            yield Lab(demo, host.uri, _body(demo, "bench", "bench", "bench"))
        finally:
            cloud.stop()


def _body(demo: Connection, image: str, flavor: str, network: str) -> dict[str, Any]:
    return {
        "name": "bench",
        "imageRef": demo.image.find_image(image, ignore_missing=False).id,
        "flavorRef": demo.compute.find_flavor(flavor, ignore_missing=False).id,
        "networks": [{"uuid": demo.network.find_network(network, ignore_missing=False).id}],
    }


def measure(lab: Lab, rounds: int) -> dict[str, Any]:
    """Interleaved rounds; which side goes first alternates."""
    events = Events(lab.uri)
    minova = Minova(lab, events)
    ours: list[Times] = []
    theirs: list[Times] = []
    # The first one warms the image cache, and shows the domain.
    server, cold = minova.launch()
    domain = minova.domain(server)
    home = Path(_source(domain, "disk")).parent.parent.parent
    with tempfile.TemporaryDirectory(prefix="bare.", dir=home) as folder:
        Path(folder).chmod(0o711)
        bare = Bare(events, domain, Path(folder))
        minova.delete(server)
        for number in range(rounds):
            for side in (0, 1) if number % 2 else (1, 0):
                if side:
                    theirs.append(bare.launch())
                else:
                    server, times = minova.launch()
                    ours.append(times)
                    minova.delete(server)
    return {
        "overhead_to_running_s": compare([t.running for t in ours], [t.running for t in theirs]),
        "overhead_to_console_s": compare([t.console for t in ours], [t.console for t in theirs]),
        "first_launch_to_running_s": round(cold.running, 3),
    }


def compare(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    """The overhead of each launch over bare libvirt's median, and both sides' raw times."""
    base = statistics.median(theirs)
    result = figures.summary([value - base for value in ours])
    del result["raw"]
    return result | {
        "minova_s": [round(value, 3) for value in ours],
        "libvirt_s": [round(value, 3) for value in theirs],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--own", choices=("embedded", "full"), help="start a cloud for it")
    parser.add_argument("--virt-type", choices=("kvm", "qemu"), default="qemu")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with (own_cloud if arguments.own else running_lab)(arguments) as lab:
        result = measure(lab, arguments.rounds)
    figures.show(result, arguments.json)


if __name__ == "__main__":
    main()
