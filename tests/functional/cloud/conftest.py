"""Whole clouds, one per profile, and the hands that use them.

A test file may narrow the profiles its tests run on with `PROFILES`. When a
cloud stops, its files are searched: whatever its tests did, no secret may
stand in them, and no request may have ended in an unexpected error.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import full
from tests.clients import Clients
from tests.cloud import Cloud
from tests.nova import Nova, furnish

DEFAULT_PROFILES = ("embedded", "mariadb")
OPTIONS: dict[str, dict[str, object]] = {
    "quota": {"instances": 40, "cores": 60},
    "compute": {"report_interval": 2, "service_down_time": 8},
    "DEFAULT": {"instance_usage_audit": True, "instance_usage_audit_period": "hour"},
}
# Somebody may listen at a broker.
TOLD: dict[str, dict[str, object]] = {"oslo_messaging_notifications": {"driver": "messagingv2"}}
# What may hold secrets: configuration, the bootstrap's input, the keys of tokens.
SECRET_PLACES = ("minova.conf", "passwords.json", "fernet-keys")
# Larger are only volumes and images.
MOST_BYTES = 256 * 1024**2


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "profile" not in metafunc.fixturenames:
        return
    names = getattr(metafunc.module, "PROFILES", DEFAULT_PROFILES)
    absent = pytest.mark.skip(reason="no RabbitMQ with this database; see tools/with-servers.sh")
    there = {name: name == "embedded" or full.can_run(name) for name in names}
    params = [pytest.param(n, marks=[] if there[n] else [absent]) for n in names]
    metafunc.parametrize("profile", params, scope="session", indirect=True)


TIDY_SECONDS = 15


@pytest.fixture(scope="session")
def profile(request: pytest.FixtureRequest) -> str:
    """`embedded`, or the database of a full cloud."""
    return str(request.param)


@pytest.fixture(scope="session")
def cloud(profile: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    folder = tmp_path_factory.mktemp(profile)
    running: Cloud
    if profile == "embedded":
        running = Cloud(folder, options=OPTIONS)
    else:
        running = full.full_cloud(folder, profile, options=OPTIONS | TOLD)
    try:
        running.start()
        yield running
    finally:
        running.stop()
    assert leaks(running) == []
    assert running.unexpected() == []


@pytest.fixture(scope="session")
def nova(cloud: Cloud) -> Nova:
    return furnish(cloud)


@pytest.fixture(scope="session")
def demo(cloud: Cloud, nova: Nova) -> Iterator[Clients]:
    """The commands of the user demo."""
    clients = Clients(cloud, "demo")
    yield clients
    clients.close()


@pytest.fixture(scope="session")
def admin(cloud: Cloud, nova: Nova) -> Iterator[Clients]:
    """The commands of the administrator."""
    clients = Clients(cloud, "admin")
    yield clients
    clients.close()


@pytest.fixture
def left_as_found(nova: Nova) -> Iterator[None]:
    """The test leaves no server, port, volume or claim behind."""
    count = _counter(nova)
    before = count()
    yield
    # A launch that failed is undone behind its ERROR: what it held goes a moment later.
    deadline = time.monotonic() + TIDY_SECONDS
    while (now := count()) != before and time.monotonic() < deadline:
        time.sleep(0.2)
    assert now == before


def _counter(nova: Nova) -> Callable[[], dict[str, object]]:
    demo, admin = nova.connections["demo"], nova.connections["admin"]

    def count() -> dict[str, object]:
        limits = demo.compute.get_limits().absolute
        return {
            "servers": {s.id for s in admin.compute.servers(all_projects=True, details=False)},
            "ports": {p.id for p in admin.network.ports()},
            "volumes": {(v.id, v.status) for v in demo.block_storage.volumes()},
            "quota": (limits.instances_used, limits.total_cores_used, limits.total_ram_used),
        }

    return count


def leaks(cloud: Cloud) -> list[str]:
    """Files of the cloud in which a token, a password or a key stands, and which it is."""
    keys = [p.read_text() for p in cloud.folder.glob("identity/fernet-keys/*") if p.is_file()]
    secrets = {f"the password of {n}": p.encode() for n, p in cloud.passwords.items()}
    secrets |= {"a token": b"gAAAA"}
    secrets |= {f"key {i}": key.strip().encode() for i, key in enumerate(keys)}
    return [
        f"{path.relative_to(cloud.folder)}: {what}"
        for path in _files(cloud.folder)
        for what, secret in secrets.items()
        if secret in path.read_bytes()
    ]


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        public = not set(path.relative_to(folder).parts) & set(SECRET_PLACES)
        if public and path.is_file() and path.stat().st_size < MOST_BYTES:
            yield path
