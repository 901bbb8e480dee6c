"""A running identity service and the ways a test talks to it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa

from minova.common.service import RestService
from minova.companions.identity import app, bootstrap, service, tables
from minova.companions.identity.keys import KeyRing
from minova.db import engine

# The URL of a database of another kind, whose identity tables the tests may drop.
OTHER_DATABASE = "MINOVA_TEST_IDENTITY_DB"
PASSWORDS = {
    "admin": "admin-pässword",
    "demo": "demo-password",
    "nova": "nova-password",
    "glance": "glance-password",
    "neutron": "neutron-password",
    "cinder": "cinder-password",
}


def plan(identity_url: str = "http://127.0.0.1:5000/v3") -> bootstrap.BootstrapPlan:
    return bootstrap.BootstrapPlan(
        admin_password=PASSWORDS["admin"],
        demo_password=PASSWORDS["demo"],
        service_passwords={
            name: PASSWORDS[name] for name in ("nova", "glance", "neutron", "cinder")
        },
        catalog=[
            bootstrap.CatalogEntry("identity", "keystone", identity_url),
            bootstrap.CatalogEntry("compute", "nova", "http://127.0.0.1:8774/v2.1"),
            bootstrap.CatalogEntry("image", "glance", "http://127.0.0.1:9292"),
            bootstrap.CatalogEntry("network", "neutron", "http://127.0.0.1:9696"),
            bootstrap.CatalogEntry(
                "block-storage", "cinder", "http://127.0.0.1:8776/v3/%(project_id)s"
            ),
            bootstrap.CatalogEntry(
                "volumev3", "cinderv3", "http://127.0.0.1:8776/v3/$(project_id)s"
            ),
        ],
        password_rounds=4,
    )


@dataclass
class Identity:
    """A running service and the ways a test talks to it."""

    port: int
    db: engine.Database
    repository: Path
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v3"

    def call(
        self, method: str, path: str, token: str | None = None, **kwargs: Any
    ) -> requests.Response:
        headers = kwargs.pop("headers", {})
        if token:
            headers["X-Auth-Token"] = token
        return self.session.request(
            method, self.url + path, headers=headers, allow_redirects=False, timeout=20, **kwargs
        )

    def authenticate(
        self, user: str, password: str | None = None, scope: Any = None
    ) -> requests.Response:
        password = PASSWORDS.get(user, "") if password is None else password
        named = {"name": user, "domain": {"id": "default"}, "password": password}
        body: dict[str, Any] = {
            "auth": {"identity": {"methods": ["password"], "password": {"user": named}}}
        }
        if scope is not None:
            body["auth"]["scope"] = scope
        return self.call("POST", "/auth/tokens", json=body)

    def token(self, user: str, project: str | None = None, password: str | None = None) -> str:
        answer = self.authenticate(user, password, in_project(project) if project else None)
        assert answer.status_code == 201, answer.text
        return answer.headers["X-Subject-Token"]

    def rescope(self, token: str, scope: Any = None) -> requests.Response:
        body: dict[str, Any] = {"identity": {"methods": ["token"], "token": {"id": token}}}
        if scope is not None:
            body["scope"] = scope
        return self.call("POST", "/auth/tokens", json={"auth": body})

    def validate(self, token: str, by: str, query: str = "") -> requests.Response:
        return self.call("GET", f"/auth/tokens{query}", by, headers={"X-Subject-Token": token})

    def id_of(self, plural: str, name: str, token: str) -> str:
        found = self.call("GET", f"/{plural}?name={name}", token).json()[plural]
        assert len(found) == 1, found
        return str(found[0]["id"])


def in_project(name: str) -> dict[str, Any]:
    return {"project": {"name": name, "domain": {"id": "default"}}}


@contextmanager
def running(template: Path, folder: Path) -> Iterator[Identity]:
    """A service on a free port over a copy, in `folder`, of a bootstrapped one's files."""
    shutil.copytree(template, folder)
    db = engine.Database(os.environ.get(OTHER_DATABASE) or f"sqlite:///{folder}/identity.sqlite")
    if not db.is_sqlite:
        with db.transaction() as connection:
            tables.metadata.drop_all(connection)
            connection.execute(sa.text("DROP TABLE IF EXISTS alembic_version"))
        engine.migrate(os.environ[OTHER_DATABASE], service.MIGRATIONS)
    settings = app.Settings(public_endpoint="http://identity.example:5000", password_rounds=4)
    wsgi = app.build(db, KeyRing(folder / "keys"), settings)
    server = RestService("identity", wsgi, "127.0.0.1", 0, threads=4)
    server.start()
    identity = Identity(server.port, db, folder / "keys")
    bootstrap.bootstrap(db, plan(identity.url))
    try:
        yield identity
    finally:
        identity.session.close()
        server.stop()
        db.dispose()
