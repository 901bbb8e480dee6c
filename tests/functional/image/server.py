"""A live image service on a free port, and requests as any user.

In place of keystonemiddleware stands a shim: the token says who asks, as
`PROJECT:ROLE,ROLE`.
"""

import dataclasses
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import falcon
import requests

from minova.common.context import RequestContext
from minova.common.service import RestService
from minova.companions.image import app, service
from minova.companions.image.store import Store
from minova.companions.image.transfer import Limits, Transfers
from minova.db import engine

MIB = 1024**2
OCTETS = {"Content-Type": "application/octet-stream"}
PATCH = "application/openstack-images-v2.1-json-patch"


def authenticate(req: falcon.Request) -> RequestContext | None:
    token = req.get_header("X-Auth-Token")
    if not token:
        return None
    project, _, roles = token.partition(":")
    return RequestContext(
        user_id=f"user-of-{project}", project_id=project, roles=roles.split(","), overwrite=False
    )


@dataclasses.dataclass
class Cloud:
    """The service under test and its insides."""

    db: engine.Database
    store: Store
    transfers: Transfers
    folder: Path
    server: RestService

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    def user(self, project: str = "demo", roles: str = "member,reader") -> "User":
        return User(self, f"{project}:{roles}")

    def files(self) -> list[str]:
        """Every file in the store, parts included."""
        return sorted(
            str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file()
        )


class User:
    """HTTP as one user."""

    def __init__(self, cloud: Cloud, token: str) -> None:
        self._cloud, self.token = cloud, token
        self._session = requests.Session()
        self._session.headers["X-Auth-Token"] = token

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        options.setdefault("timeout", 30)
        return self._session.request(method, self._cloud.url + path, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.request("POST", path, json=body, **options)

    def put(self, path: str, **options: Any) -> requests.Response:
        return self.request("PUT", path, **options)

    def delete(self, path: str) -> requests.Response:
        return self.request("DELETE", path)

    def patch(self, image_id: str, *operations: Any, media: str = PATCH) -> requests.Response:
        return self.request(
            "PATCH",
            f"/v2/images/{image_id}",
            json=list(operations),
            headers={"Content-Type": media},
        )

    def create(self, **settings: Any) -> dict[str, Any]:
        body = {"name": "img", "disk_format": "raw", "container_format": "bare", **settings}
        answer = self.post("/v2/images", body)
        assert answer.status_code == 201, answer.text
        return answer.json()

    def upload(self, image_id: str, data: Any, **headers: str) -> requests.Response:
        return self.put(f"/v2/images/{image_id}/file", data=data, headers={**OCTETS, **headers})

    def make(self, data: bytes = b"some bytes", **settings: Any) -> dict[str, Any]:
        """An active image."""
        image = self.create(**settings)
        answer = self.upload(image["id"], data)
        assert answer.status_code == 204, answer.text
        return self.show(image["id"])

    def show(self, image_id: str) -> dict[str, Any]:
        answer = self.get(f"/v2/images/{image_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_while(self, image_id: str, status: str) -> None:
        """Ask until the image has left `status`, at most 20 s."""
        deadline = time.monotonic() + 20
        while self.show(image_id)["status"] == status:
            assert time.monotonic() < deadline, f"{image_id} stays {status}"

    def ids(self, query: str = "") -> list[str]:
        answer = self.get(f"/v2/images{query}")
        assert answer.status_code == 200, answer.text
        return [image["id"] for image in answer.json()["images"]]


@contextmanager
def running(folder: Path, url: str, size: int = 64 * MIB, uploads: int = 6) -> Iterator[Cloud]:
    """A service over an empty database at `url` and an empty store in `folder`."""
    engine.migrate(url, service.MIGRATIONS)
    db, store = engine.Database(url), Store(str(folder / "images"))
    transfers = Transfers(db, store, Limits(size, 1024**4, uploads))
    wsgi = app.build(db, store, transfers, auth=False, authenticate=authenticate)
    server = RestService("test-image", wsgi, "127.0.0.1", 0, 8)
    server.start()
    try:
        yield Cloud(db, store, transfers, folder / "images", server)
    finally:
        server.stop()
        db.dispose()
