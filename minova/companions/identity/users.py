"""/v3/users: people and services, their passwords, what they can reach."""

from typing import Any

import falcon
import sqlalchemy as sa

from minova.common import errors, wsgi
from minova.common.policy import Enforcer
from minova.common.wsgi import Route
from minova.companions.identity import assignments, schemas, tables
from minova.companions.identity.collection import Collection, page
from minova.companions.identity.login import Login
from minova.companions.identity.passwords import Passwords
from minova.companions.identity.projects import DEFAULT_DOMAIN, Projects, lock_domain
from minova.db.engine import Database


class Users(Collection):
    """Changing a password or disabling a user ends his live tokens."""

    member, plural, table = "user", "users", tables.users
    filters = ("name", "domain_id", "enabled")
    private = True
    fixed = frozenset({"domain_id"})
    hidden = Collection.hidden | {"password_hash", "generation"}
    reserved = Collection.reserved | {
        "password",
        "original_password",
        "password_expires_at",
        "federated",
    }

    def __init__(
        self,
        db: Database,
        enforcer: Enforcer,
        passwords: Passwords,
        login: Login,
        projects: Projects,
        max_password: int,
    ) -> None:
        super().__init__(db, enforcer)
        self._passwords = passwords
        self._login = login
        self._projects = projects
        password = {"type": "string", "maxLength": max_password}
        properties = {
            "name": schemas.NAME,
            "domain_id": schemas.nullable(schemas.ID),
            "default_project_id": schemas.nullable(schemas.ID),
            "description": schemas.DESCRIPTION,
            "email": {"type": ["string", "null"], "maxLength": 255},
            "enabled": schemas.BOOLEAN,
            "password": schemas.nullable(password),
        }
        self.create_check = schemas.resource("user", properties, ("name",))
        self.update_check = schemas.resource("user", properties)
        self._password_check = schemas.resource(
            "user",
            {"password": password, "original_password": password},
            ("password", "original_password"),
        )

    def routes(self) -> list[Route]:
        one = "/v3/users/{user_id}"
        return [
            *super().routes(),
            # The old password is the credential; an expired token must not stand in the way.
            Route("POST", f"{one}/password", self.change_password, 204, public=True),
            Route("GET", f"{one}/projects", self.list_projects),
            Route("GET", f"{one}/groups", self.list_groups),
        ]

    def change_password(self, req: falcon.Request, resp: falcon.Response, user_id: str) -> None:
        body = wsgi.body_of(req)
        self._password_check(body)
        if len(user_id) > 64 or "\0" in user_id:
            raise errors.Unauthorized()
        given = body["user"]
        self._login.check_password(user_id, given["original_password"])
        self._change(user_id, {"password": given["password"]})

    def list_projects(self, req: falcon.Request, resp: falcon.Response, user_id: str) -> Any:
        target = {"user_id": user_id}
        self._enforcer.authorize(req.context.ctxt, "identity:list_user_projects", target)
        with self._db.reading() as connection:
            self.find(connection, user_id)
            rows = assignments.projects_of(connection, user_id)
        return page(req, "projects", [self._projects.view(req, row) for row in rows])

    def list_groups(self, req: falcon.Request, resp: falcon.Response, user_id: str) -> Any:
        target = {"user_id": user_id}
        self._enforcer.authorize(req.context.ctxt, "identity:list_user_groups", target)
        with self._db.reading() as connection:
            self.find(connection, user_id)
        return page(req, "groups", [])

    def prepare(self, given: dict[str, Any]) -> dict[str, Any]:
        values = super().prepare(given)
        if given.get("password") is not None:
            values["password_hash"] = self._passwords.hash(given["password"])
        return values

    def creating(self, connection: sa.Connection, values: dict[str, Any]) -> None:
        values["domain_id"] = values.get("domain_id") or DEFAULT_DOMAIN
        if not lock_domain(connection, values["domain_id"]):
            raise errors.NotFound(f"Could not find domain: {values['domain_id']}.")

    def updating(self, connection: sa.Connection, row: Any, values: dict[str, Any]) -> None:
        if "password_hash" in values or values.get("enabled") is False:
            values["generation"] = row.generation + 1

    def deleting(self, connection: sa.Connection, row: Any) -> None:
        assignments.forget_user(connection, row.id)

    def shown(self, row: Any) -> dict[str, Any]:
        optional = ("default_project_id", "description", "email")
        shown = super().shown(row)
        kept = {k: v for k, v in shown.items() if v is not None or k not in optional}
        return {**kept, "options": {}, "password_expires_at": None}
