"""A real volume service, a real image service, and users who need no identity service."""

import hashlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import falcon
import pytest
import requests
from keystoneauth1 import adapter, token_endpoint
from keystoneauth1.session import Session

from minova.common import context
from minova.common.service import RestService
from minova.companions.image import app as image_app
from minova.companions.image.store import Store as ImageStore
from minova.companions.image.transfer import Limits, Transfers
from minova.companions.volume.api import app
from minova.companions.volume.api.volumes import Defaults
from minova.companions.volume.attaching import Attaching
from minova.companions.volume.exports import Exports
from minova.companions.volume.peers import Images, Servers
from minova.companions.volume.store import Store
from minova.companions.volume.work import Workshop
from minova.db import engine
from tests.configuration import configure

HOST = "lab"
DEADLINE = 30
MEMBER = "alice/" + "a" * 32 + "/member,reader"
READER = "rita/" + "a" * 32 + "/reader"
OTHER = "bob/" + "b" * 32 + "/member,reader"
ADMIN = "admin/" + "c" * 32 + "/admin,member,reader"
SERVICE = "nova/" + "d" * 32 + "/service,admin"


def authenticate(req: falcon.Request) -> context.RequestContext | None:
    """The tests' tokens say who asks: user/project/role,role."""
    token = req.get_header("X-Auth-Token")
    if not token or token.count("/") != 2:
        return None
    user, project, roles = token.split("/")
    service = req.get_header("X-Service-Token") or "//"
    return context.RequestContext(
        auth_token=token,
        user_id=hashlib.md5(user.encode()).hexdigest(),
        project_id=project or None,
        roles=roles.split(","),
        service_roles=service.split("/")[2].split(","),
        overwrite=False,
    )


class TestPeers:
    """The real clients of the other services, with the tests' tokens and addresses."""

    __test__ = False

    def __init__(self, images_url: str, servers_url: str) -> None:
        self._images_url, self._servers_url = images_url, servers_url

    def images(self) -> Images:
        return Images(self._adapter("image", self._images_url))

    def servers(self) -> Servers:
        return Servers(self._adapter("compute", self._servers_url))

    def _adapter(self, service_type: str, url: str) -> adapter.Adapter:
        session = Session(auth=token_endpoint.Token(url, SERVICE))
        return adapter.Adapter(session, service_type=service_type, connect_retries=0)


class Cloud:
    """A running volume service; `restart` is what a crash and a new start are."""

    def __init__(self, tmp_path: Path, run: Path, peers: TestPeers, **options: Any) -> None:
        self.volumes_path, self.run = tmp_path / "volumes", run
        self.url_of_db = f"sqlite:///{tmp_path}/volume.sqlite"
        engine.migrate(self.url_of_db, "minova.companions.volume.migrations")
        self.peers = peers
        self.defaults = Defaults(host=HOST, **options)
        self.session = requests.Session()
        self.start()

    def start(self) -> None:
        self.db = engine.Database(self.url_of_db)
        self.store = Store(str(self.volumes_path))
        self.exports = Exports(self.store, str(self.run), "kvm")
        self.workshop = Workshop(self.db, self.store, self.exports, self.peers, HOST, 2)
        self.attaching = Attaching(self.db, self.exports, self.peers, HOST)
        parts = app.Parts(self.db, self.workshop, self.attaching, self.peers, self.defaults)
        self.rest = RestService(
            "volume", app.build(parts, authenticate=authenticate), "127.0.0.1", 0, 5
        )
        self.workshop.start()
        self.attaching.resume()
        self.rest.start()

    def stop(self) -> None:
        self.rest.stop()
        self.workshop.stop()
        self.db.dispose()

    def restart(self) -> None:
        self.stop()
        self.start()

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = MEMBER,
        version: str = "3.71",
        **headers: str,
    ) -> requests.Response:
        if token is not None:
            headers["X-Auth-Token"] = token
        headers["OpenStack-API-Version"] = f"volume {version}"
        return self.session.request(
            method,
            f"http://127.0.0.1:{self.rest.port}{path}",
            json=body,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            allow_redirects=False,
        )

    def ok(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        answer = self(method, path, body, **options)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    def volume(self, volume_id: str, **options: Any) -> dict[str, Any]:
        return self.ok("GET", f"/v3/volumes/{volume_id}", **options)["volume"]

    def create(self, status: str = "available", token: str = MEMBER, **asked: Any) -> str:
        """A new volume's id, once it has `status`."""
        asked.setdefault("size", 1)
        body = {"volume": asked}
        volume_id = self.ok("POST", "/v3/volumes", body, token=token)["volume"]["id"]
        self.wait(volume_id, status)
        return volume_id

    def act(self, volume_id: str, name: str, asked: Any = None, **options: Any) -> Any:
        return self("POST", f"/v3/volumes/{volume_id}/action", {name: asked}, **options)

    def wait(self, volume_id: str, status: str) -> dict[str, Any]:
        found: dict[str, Any] = {}

        def reached() -> bool:
            found.update(self.volume(volume_id, token=ADMIN))
            assert found["status"] == status or not found["status"].startswith("error"), found
            return found["status"] == status

        wait_for(reached)
        return found

    def wait_gone(self, volume_id: str) -> None:
        wait_for(lambda: self("GET", f"/v3/volumes/{volume_id}", token=ADMIN).status_code == 404)

    def attach(self, volume_id: str, server_id: str, token: str = SERVICE) -> dict[str, Any]:
        """Reserve, connect and complete; the attachment."""
        body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": server_id}}
        attachment = self.ok("POST", "/v3/attachments", body, token=token)["attachment"]
        connector = {"attachment": {"connector": {"host": HOST, "mountpoint": "/dev/vdb"}}}
        path = f"/v3/attachments/{attachment['id']}"
        attachment = self.ok("PUT", path, connector, token=token)["attachment"]
        self.ok("POST", f"{path}/action", {"os-complete": None}, token=token)
        return attachment

    def file(self, volume_id: str) -> Path:
        return self.volumes_path / f"volume-{volume_id}"

    def end_exports(self) -> None:
        for pidfile in self.run.glob("*.pid"):
            self.exports.stop(pidfile.stem)


class ImageService:
    """The image companion, for volumes made from images and images made from volumes."""

    def __init__(self, tmp_path: Path) -> None:
        self.root = tmp_path
        url = f"sqlite:///{tmp_path}/image.sqlite"
        engine.migrate(url, "minova.companions.image.migrations")
        db, store = engine.Database(url), ImageStore(str(tmp_path / "images"))
        transfers = Transfers(db, store, Limits(2**32, 2**40, 4))
        wsgi = image_app.build(db, store, transfers, auth=False, authenticate=authenticate)
        self.rest = RestService("image", wsgi, "127.0.0.1", 0, 5)
        self.rest.start()
        self.url = f"http://127.0.0.1:{self.rest.port}"

    def upload(
        self, data: bytes, disk_format: str = "raw", token: str = MEMBER, **fields: Any
    ) -> str:
        """A new image's id."""
        body = {"name": "image", "disk_format": disk_format, "container_format": "bare", **fields}
        headers = {"X-Auth-Token": token}
        answer = requests.post(f"{self.url}/v2/images", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        image_id = answer.json()["id"]
        headers["Content-Type"] = "application/octet-stream"
        answer = requests.put(f"{self.url}/v2/images/{image_id}/file", data=data, headers=headers)
        assert answer.status_code == 204, answer.text
        return image_id

    def get(self, image_id: str, token: str = MEMBER) -> requests.Response:
        return requests.get(f"{self.url}/v2/images/{image_id}", headers={"X-Auth-Token": token})

    def data(self, image_id: str, token: str = MEMBER) -> bytes:
        headers = {"X-Auth-Token": token}
        return requests.get(f"{self.url}/v2/images/{image_id}/file", headers=headers).content


def wait_for(condition: Callable[[], bool], seconds: float = DEADLINE) -> None:
    """Poll `condition` until it holds; an assertion fails after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the deadline is over"
        time.sleep(0.02)


@pytest.fixture(scope="module", autouse=True)
def configuration() -> None:
    """oslo.policy looks for policy.yaml beside the configuration: here is none."""
    configure()


@pytest.fixture(scope="module")
def image_service(tmp_path_factory: pytest.TempPathFactory) -> Any:
    service = ImageService(tmp_path_factory.mktemp("image"))
    yield service
    service.rest.stop()


class ComputeService:
    """Nova's one route that the volume service asks: does the server have the volume?"""

    def __init__(self) -> None:
        self.attached: set[tuple[str, str]] = set()
        api = falcon.App()
        api.add_route("/servers/{server_id}/os-volume_attachments/{volume_id}", self)
        self.rest = RestService("compute", api, "127.0.0.1", 0, 2)
        self.rest.start()
        self.url = f"http://127.0.0.1:{self.rest.port}"

    def on_get(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, volume_id: str
    ) -> None:
        if (server_id, volume_id) not in self.attached:
            raise falcon.HTTPNotFound
        resp.media = {"volumeAttachment": {"volumeId": volume_id, "serverId": server_id}}


@pytest.fixture(scope="module")
def compute_service() -> Any:
    service = ComputeService()
    yield service
    service.rest.stop()


@contextmanager
def clouds(
    folder: Path, image_service: ImageService, compute_service: ComputeService
) -> Iterator[Callable[..., Cloud]]:
    """A function that starts a volume service; options are those of Defaults."""
    started: list[Cloud] = []
    # pytest's folders have names that are too long for a Unix socket.
    run = Path(tempfile.mkdtemp(prefix="mv-", dir="/tmp"))

    def make(**options: Any) -> Cloud:
        peers = TestPeers(image_service.url, compute_service.url)
        started.append(Cloud(folder, run, peers, **options))
        return started[-1]

    yield make
    for cloud in started:
        cloud.stop()
        cloud.end_exports()
    shutil.rmtree(run)


@pytest.fixture
def make_cloud(tmp_path: Path, image_service: ImageService, compute_service: ComputeService) -> Any:
    with clouds(tmp_path, image_service, compute_service) as make:
        yield make


@pytest.fixture
def cloud(make_cloud: Callable[..., Cloud]) -> Cloud:
    return make_cloud(quota_volumes=100)


@pytest.fixture(scope="module")
def shared_cloud(
    tmp_path_factory: pytest.TempPathFactory,
    image_service: ImageService,
    compute_service: ComputeService,
) -> Any:
    """One for tests that leave nothing behind that others would notice."""
    folder = tmp_path_factory.mktemp("shared")
    with clouds(folder, image_service, compute_service) as make:
        yield make(quota_volumes=1000)


@pytest.fixture(scope="session")
def tokens() -> dict[str, str]:
    names = ("MEMBER", "READER", "OTHER", "ADMIN", "SERVICE")
    return {name.lower(): globals()[name] for name in names}


@pytest.fixture
def eventually() -> Callable[..., None]:
    return wait_for
