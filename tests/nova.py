"""nova-api's HTTP as a client sees it, and a cloud furnished for it."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
from openstack.connection import Connection

from tests.cloud import Cloud

DEADLINE = 60
CURRENT = "2.96"
PUBLIC_KEY = (
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMnjn74zcvrNQnUXeXwCLFylXwUDGc2b0u0MNqE1pqSU me@here"
)


@dataclass
class Nova:
    """Plain requests to nova-api; users are demo, admin, service, reader (of demo), stranger."""

    url: str
    tokens: dict[str, str]
    flavor: str
    image: str
    network: str
    project: str
    connections: dict[str, Connection] = field(default_factory=dict)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str = "demo",
        version: str | None = CURRENT,
        **options: Any,
    ) -> requests.Response:
        headers = {"X-Auth-Token": self.tokens[user]} if user else {}
        if version:
            headers["OpenStack-API-Version"] = f"compute {version}"
        headers.update(options.pop("headers", {}))
        return requests.request(
            method, self.url + path, json=body, headers=headers, timeout=60, **options
        )

    def get(self, path: str, **options: Any) -> Any:
        """GET that has to succeed; the body."""
        answer = self.call("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refused(self, status: int, method: str, path: str, body: Any = None, **options: Any) -> str:
        """A request that has to be refused with `status` in nova's dialect; the message."""
        answer = self.call(method, path, body, **options)
        assert answer.status_code == status, (answer.status_code, answer.text)
        (error,) = answer.json().values()
        assert error["code"] == status
        return str(error["message"])

    def request(self, **values: Any) -> dict[str, Any]:
        """The body of a plain launch, with `values` besides; None leaves a field out."""
        server = {
            "name": "vm",
            "flavorRef": self.flavor,
            "imageRef": self.image,
            "networks": [{"uuid": self.network}],
            **values,
        }
        return {"server": {k: v for k, v in server.items() if v is not None}}

    def launch(self, *, user: str = "demo", version: str | None = CURRENT, **values: Any) -> str:
        """Launch and wait until it is built; the server's id."""
        return self.launch_body(self.request(**values), user=user, version=version)

    def launch_body(
        self, body: dict[str, Any], *, user: str = "demo", version: str | None = CURRENT
    ) -> str:
        """`launch` with a whole body, which may say more than the server."""
        answer = self.call("POST", "/servers", body, user=user, version=version)
        assert answer.status_code == 202, answer.text
        server_id = answer.json()["server"]["id"]
        assert self.settled(server_id, user=user)["status"] == "ACTIVE"
        return str(server_id)

    def settled(self, server_id: str, *, user: str = "demo") -> dict[str, Any]:
        """The server, once nothing is being done to it any more."""
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            server = self.get(f"/servers/{server_id}", user=user)["server"]
            if server["status"] != "BUILD" and server["OS-EXT-STS:task_state"] is None:
                return dict(server)
            time.sleep(0.05)
        raise AssertionError(f"server {server_id} does not settle: {server}")

    def until(self, condition: Callable[[], Any], what: str) -> None:
        """Wait until `condition` holds; `what` it says, for the error."""
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < deadline, f"not within {DEADLINE} s: {what}"
            time.sleep(0.05)

    def act(self, server_id: str, action: str, value: Any = None, **options: Any) -> Any:
        return self.call("POST", f"/servers/{server_id}/action", {action: value}, **options)

    def delete(self, *server_ids: str, user: str = "demo") -> None:
        """Delete servers and wait until they are gone."""
        for server_id in server_ids:
            assert self.call("DELETE", f"/servers/{server_id}", user=user).status_code == 204
        deadline = time.monotonic() + DEADLINE
        for server_id in server_ids:
            while self.call("GET", f"/servers/{server_id}", user=user).status_code != 404:
                assert time.monotonic() < deadline, f"server {server_id} is not deleted"
                time.sleep(0.05)


def furnish(cloud: Cloud) -> Nova:
    """Give a new cloud a flavor, a network, an image and people; clients see it through Nova."""
    admin, demo = cloud.connect("admin"), cloud.connect("demo")
    flavor = admin.compute.create_flavor(name="m1.nano", ram=64, vcpus=1, disk=1)
    network = admin.network.create_network(name="private", shared=True)
    admin.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.9.0.0/22")
    image = _image(admin)
    project = demo.current_project_id
    people = {"admin": admin, "demo": demo}
    people["service"] = cloud.connect("nova", project="service")
    for name, role, scope in (("reader", "reader", "demo"), ("stranger", "member", "elsewhere")):
        people[name] = _person(cloud, admin, name, role, scope)
    return Nova(
        url=f"http://127.0.0.1:{cloud.ports['api']}/v2.1",
        tokens={name: who.auth_token for name, who in people.items()},
        flavor=flavor.id,
        image=image,
        network=network.id,
        project=project,
        connections=people,
    )


def _image(admin: Connection) -> str:
    """A public raw image; the fake hypervisor does not mind what is inside."""
    image = admin.image.create_image(
        name="centos7",
        disk_format="raw",
        container_format="bare",
        visibility="public",
        data=b"\0" * 4096,
        validate_checksum=False,
    )
    return str(image.id)


def _person(cloud: Cloud, admin: Connection, name: str, role: str, scope: str) -> Connection:
    project = admin.identity.find_project(scope) or admin.identity.create_project(name=scope)
    password = secrets.token_hex(12)
    user = admin.identity.create_user(name=name, password=password)
    found = admin.identity.find_role(role)
    admin.identity.assign_project_role_to_user(project, user, found)
    cloud.passwords[name] = password
    return cloud.connect(name, project=scope)
