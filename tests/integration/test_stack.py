"""stack.sh and unstack.sh as the lab's owner uses them, on a host of its own.

The host is this machine in namespaces and an overlay, so neither its own lab nor other tests
notice. What stack.sh would download is already here: packages, the venv, the test guest.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest

from tests.integration import host_snapshot
from tests.integration.private_host import NEEDS, TOP, PrivateHost

SNAPSHOT = host_snapshot.__file__
GUEST = TOP / "build" / "guest"
PROGRAMS = (*NEEDS, "libvirtd", "qemu-system-x86_64", "dnsmasq", "nft", "ssh", "genisoimage")
SERVERS = ("rabbitmq-server", "mariadbd")
STACK, UNSTACK = f"{TOP}/devstack/stack.sh", f"{TOP}/devstack/unstack.sh"
BIN = f"{TOP}/.venv/bin"

pytestmark = [pytest.mark.timeout(600)]


class Lab:
    """A private host with the lab on it; its owner's shell and his login to `demo`."""

    def __init__(self, host: PrivateHost, before: str) -> None:
        self.host, self.before = host, before
        self._login: list[str] = []

    def shell(self, command: str, timeout: float = 60) -> str:
        """What the owner sees after `source openrc`; fails if the command does."""
        script = f"cd {TOP} && source devstack/openrc && {command}"
        done = self.host.run("bash", "-c", script, timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def guest(self, command: str) -> str:
        """What a command inside `demo` prints; its status does not matter."""
        if not self._login:
            self._login = self.shell(f"{BIN}/python devstack/contents.py login").split()
        options = ("-o", "ConnectTimeout=10", "-o", "BatchMode=yes")
        address = self._login[-1]
        done = self.host.run(*self._login[:-1], *options, address, command)
        assert done.returncode != 255, done.stderr
        return done.stdout.strip()

    def snapshot(self) -> str:
        return self.host.run(sys.executable, SNAPSHOT).stdout


@pytest.fixture(scope="module", params=["embedded", "full"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    if os.geteuid() != 0:
        pytest.skip("stack.sh is for root")
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
    wanted = PROGRAMS if request.param == "embedded" else (*PROGRAMS, *SERVERS)
    missing = [name for name in wanted if shutil.which(name, path=path) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    if not (GUEST / "minova-guest.qcow2").exists():
        pytest.skip("no test guest: run tools/build-guest-image")
    with PrivateHost() as host:
        keep_from_downloading(host)
        before = host.run(sys.executable, SNAPSHOT).stdout
        done = host.run(STACK, "--profile", request.param, timeout=560)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "The cloud stands after" in done.stdout
        yield Lab(host, before)


def keep_from_downloading(host: PrivateHost) -> None:
    """Tell stack.sh that the venv and the test guest are as it would make them.

    Every user may enter the folders of both here, or the full profile would make copies.
    """
    wanted = (TOP / "pyproject.toml").read_bytes()
    wanted += (TOP / "devstack" / "constraints.txt").read_bytes()
    stamp = f"{sha256(wanted).hexdigest()}  -"
    script = f"""set -e
        mkdir -p /var/lib/minova
        cp -r {GUEST} /var/lib/minova/
        printf '%s' '{stamp}' >{TOP}/.venv/.minova-stamp
        for path in {TOP}/minova "$(realpath {TOP}/.venv/bin/python)"; do
            while [[ $path != / ]]; do chmod a+rX "$path"; path=$(dirname "$path"); done
        done"""
    done = host.run("bash", "-c", script)
    assert done.returncode == 0, done.stderr


def test_the_demo_server_runs_and_lets_its_owner_in(lab: Lab) -> None:
    assert "demo ACTIVE" in lab.shell("openstack server list -f value -c Name -c Status")
    assert lab.guest("id -un; sudo id -un").split() == ["cirros", "root"]


def test_the_xray_shows_seventeen_steps_done(lab: Lab) -> None:
    launch = json.loads(lab.shell("minova xray demo --json"))
    assert [step["step"] for step in launch["steps"]] == list(range(1, 18))
    assert {step["status"] for step in launch["steps"]} == {"ok"}
    for step in launch["steps"]:
        file, _, function = step["code"].partition(":")
        assert f"def {function}(" in (TOP / file).read_text(), step


def test_the_guests_consoles_are_there(lab: Lab) -> None:
    page = lab.shell("openstack console url show --novnc demo -f value -c url")
    load = f'from urllib.request import urlopen; print(urlopen("{page}").read().decode())'
    assert "<title>noVNC</title>" in lab.shell(f"{BIN}/python -c '{load}'")
    url = lab.shell("openstack console url show --serial demo -f value -c url")
    talk = f"""
from websockets.sync.client import connect
with connect("{url}", proxy=None) as console:
    said = ""
    while "login: " not in said:
        console.send(b"\\r")
        said += bytes(console.recv(30)).decode(errors="replace")
"""
    lab.shell(f"{BIN}/python -c '{talk}'")


def test_the_guest_reads_its_metadata(lab: Lab) -> None:
    url = "http://169.254.169.254/openstack/latest/meta_data.json"
    metadata = json.loads(lab.guest(f"curl -s -m 10 {url}"))
    assert metadata["name"] == "demo"
    assert list(metadata["public_keys"]) == ["demo"]


def test_an_attached_volume_shows_in_the_guest_by_its_serial(lab: Lab) -> None:
    volume = lab.shell("openstack volume create --size 1 data -f value -c id")
    wait_until(lambda: status(lab, "data") == "available")
    lab.shell("openstack server add volume demo data")
    wait_until(lambda: volume[:20] in lab.guest("cat /sys/block/vd*/serial"))
    lab.shell("openstack server remove volume demo data")
    wait_until(lambda: status(lab, "data") == "available")
    assert volume[:20] not in lab.guest("cat /sys/block/vd*/serial")


def status(lab: Lab, volume: str) -> str:
    return lab.shell(f"openstack volume show {volume} -f value -c status")


def test_the_guest_reaches_nothing_of_the_host_but_dns_and_metadata(lab: Lab) -> None:
    serve = f"{sys.executable} -m http.server --bind 0.0.0.0 2222"
    server = subprocess.Popen(
        lab.host.command(*serve.split()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        listens = f"{sys.executable} -c \"import socket; socket.create_connection(('{{}}', 2222))\""
        gateway = lab.guest("ip route show default").split()[2]
        nameserver = lab.guest("sed -n 's/^nameserver //p' /etc/resolv.conf").split()[0]
        wait_until(lambda: lab.host.run("bash", "-c", listens.format(gateway)).returncode == 0)
        for port in (2222, 5000, 8774, 9292):
            assert lab.guest(f"curl -s -m 3 http://{gateway}:{port}/ && echo reached") == ""
        assert lab.guest(f"nslookup demo {nameserver} >/dev/null 2>&1 && echo resolved") == (
            "resolved"
        )
    finally:
        server.kill()
        server.wait()


def test_a_second_run_changes_nothing_and_unstack_leaves_guests_running(lab: Lab) -> None:
    booted = lab.guest("cat /proc/sys/kernel/random/boot_id")
    done = lab.host.run(UNSTACK, timeout=120)
    assert done.returncode == 0, done.stderr
    assert lab.guest("cat /proc/sys/kernel/random/boot_id") == booted
    done = lab.host.run(STACK, "--no-demo", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert lab.guest("cat /proc/sys/kernel/random/boot_id") == booted
    assert "demo ACTIVE" in lab.shell("openstack server list -f value -c Name -c Status")


def test_secrets_are_for_root_and_the_services_alone(lab: Lab) -> None:
    others = "-perm /004 -o -perm /040 -not -gid ${services:-65534}"
    readable = lab.host.run(
        "bash",
        "-c",
        "services=$(getent group minova | cut -d: -f3); cd /etc/minova && "
        f"find . -type f '(' {others} ')' -print0 | xargs -0 cat",
    ).stdout
    known = json.loads(lab.host.run("cat", "/etc/minova/secrets.json").stdout)
    assert not [name for name, secret in known.items() if secret in readable]
    assert lab.host.run("bash", "-c", "getent group minova | cut -d: -f4").stdout.strip() == ""


def test_purge_leaves_no_trace(lab: Lab) -> None:
    done = lab.host.run(UNSTACK, "--purge", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    before, after = set(lab.before.splitlines()), set(lab.snapshot().splitlines())
    # The test guest was put there before, so that it need not be built.
    gone = {line for line in before - after if "/var/lib/minova" not in line}
    assert (sorted(after - before), sorted(gone)) == ([], [])


def wait_until(happened: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s"
