"""The cloud that Tempest judges: the lab that runs here, or one made for the run.

`choose` is the way in. Own clouds go when the run ends.
"""

import contextlib
import hashlib
import json
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from tests import cloud as test_cloud
from tests.integration.private_host import PrivateHost

TOP = Path(__file__).resolve().parents[2]
LAB = Path("/etc/minova")
LAB_GUEST = Path("/var/lib/minova/guest/minova-guest.qcow2")
GUEST = TOP / "build" / "guest" / "minova-guest.qcow2"
STACK_SECONDS = 600
ADMIN = "minova-admin"


@dataclass(frozen=True)
class Cloud:
    """What a run has to know.

    `clouds_yaml` has the admin as `minova-admin`; `prefix` brings a command into the
    network in which the cloud answers; `guest` is the image its guests boot.
    """

    description: str
    driver: str
    clouds_yaml: Path
    prefix: list[str] = field(default_factory=list)
    guest: Path | None = None

    @property
    def boots(self) -> bool:
        return self.driver != "fake"


@contextlib.contextmanager
def choose(driver: str | None) -> Iterator[Cloud]:
    """The running lab where it fits `driver`, else a cloud of our own."""
    if driver != "fake" and lab_runs():
        yield Cloud("the running lab", "libvirt", LAB / "clouds.yaml", guest=LAB_GUEST)
    elif driver == "libvirt":
        with private_lab() as cloud:
            yield cloud
    else:
        with fake_cloud() as cloud:
            yield cloud


def lab_runs() -> bool:
    """Whether the cloud of /etc/minova answers."""
    try:
        known = yaml.safe_load((LAB / "clouds.yaml").read_text())
        url = urlsplit(known["clouds"][ADMIN]["auth"]["auth_url"])
        socket.create_connection((url.hostname, url.port or 80), timeout=2).close()
    except (OSError, KeyError, TypeError):
        return False
    return True


@contextlib.contextmanager
def fake_cloud() -> Iterator[Cloud]:
    """One process, SQLite, guests in memory."""
    folder = Path(tempfile.mkdtemp(prefix="minova-tempest.", dir="/var/tmp"))
    running = test_cloud.Cloud(folder)
    try:
        running.start()
        auth = {
            "auth_url": running.auth_url,
            "username": "admin",
            "password": running.passwords["admin"],
            "project_name": "admin",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        known = folder / "clouds.yaml"
        known.touch(mode=0o600)
        known.write_text(json.dumps({"clouds": {ADMIN: {"auth": auth}}}))
        yield Cloud(f"a cloud of its own in {folder}, fake driver", "fake", known)
    finally:
        failed = sys.exc_info()[0] is not None
        running.stop()
        keep_log(running)
        if not failed:
            shutil.rmtree(folder, ignore_errors=True)


def keep_log(running: test_cloud.Cloud) -> None:
    """The log of the last cloud of our own is worth more than its databases."""
    with contextlib.suppress(FileNotFoundError):
        shutil.copy(running.folder / "minova.log", TOP / "build" / "tempest" / "fake-cloud.log")


@contextlib.contextmanager
def private_lab() -> Iterator[Cloud]:
    """A lab by stack.sh on a private host: this machine once more, in namespaces."""
    with PrivateHost() as host:
        prepared = host.run("bash", "-c", _carry_in())
        if prepared.returncode:
            sys.exit(f"{prepared.stderr}no test guest: run tools/build-guest-image")
        stacked = host.run(f"{TOP}/devstack/stack.sh", "--no-demo", timeout=STACK_SECONDS)
        if stacked.returncode:
            sys.exit(stacked.stdout + stacked.stderr)
        known = host.work / "clouds.yaml"
        known.touch(mode=0o600)
        known.write_text(host.run("cat", str(LAB / "clouds.yaml")).stdout)
        prefix = host.network_command()
        yield Cloud("a lab on a private host", "libvirt", known, prefix, guest=GUEST)
        log = host.run("bash", "-c", "cat /var/log/minova/minova*").stdout
        (TOP / "build" / "tempest" / "private-lab.log").write_text(log)


def _carry_in() -> str:
    """What stack.sh would download or make is here: the test guest, and minova's own venv."""
    wanted = (TOP / "pyproject.toml").read_bytes()
    wanted += (TOP / "devstack" / "constraints.txt").read_bytes()
    stamp = f"{hashlib.sha256(wanted).hexdigest()}  -"
    folder = LAB_GUEST.parents[1]
    return (
        f"mkdir -p {folder} && cp -r {GUEST.parent} {folder}/ && "
        f"printf '%s' '{stamp}' >{TOP}/.venv/.minova-stamp"
    )
