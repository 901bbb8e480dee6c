"""/v2.0/security-groups"""

from typing import Any

import falcon
import sqlalchemy as sa

from minova.common.wsgi import Route
from minova.companions.network import errors, schemas, views
from minova.companions.network.access import Access, visible_groups
from minova.companions.network.api.collection import Collection
from minova.companions.network.binding import Binder
from minova.companions.network.listing import Resource, Row, columns_of, is_id, tag_filters
from minova.companions.network.queries import groups as queries
from minova.companions.network.tables import security_groups
from minova.db.engine import Database

COLUMNS = security_groups.c
RESOURCE = Resource(
    "security_group",
    "security_groups",
    security_groups,
    errors.SecurityGroupNotFound,
    columns=columns_of(security_groups),
    special={
        **tag_filters(COLUMNS.tags),
        "shared": lambda values: sa.false() if "true" in str(values).lower() else sa.true(),
        "stateful": lambda values: sa.true() if "true" in str(values).lower() else sa.false(),
    },
)


class SecurityGroups:
    """Groups; a project's `default` group is there whenever the project looks."""

    def __init__(self, db: Database, access: Access, binder: Binder) -> None:
        self._db, self._access, self._binder = db, access, binder
        self.collection = Collection(
            db, access, RESOURCE, "get_security_group", visible_groups, _render
        )

    def index(self, req: falcon.Request, resp: falcon.Response) -> Row:
        """GET /v2.0/security-groups"""
        ctxt = req.context.ctxt
        project_id = ctxt.project_id
        if self._access.privileged(ctxt):
            project_id = req.params.get("project_id") or req.params.get("tenant_id") or project_id
        if isinstance(project_id, str) and is_id(project_id):
            self._access.require(ctxt, "get_security_group")
            queries.ensure_default(self._db, project_id)
        return self.collection.index(req, resp)

    def create(self, req: falcon.Request, resp: falcon.Response) -> Row:
        """POST /v2.0/security-groups"""
        items, bulk = schemas.items_of(req, "security_group", "security_groups")
        ctxt = req.context.ctxt
        values = [self._values(ctxt, item) for item in items]
        for project_id in {value["project_id"] for value in values}:
            queries.ensure_default(self._db, project_id)
        rows = queries.create(self._db, values)
        return self.collection.answer(ctxt, rows, bulk)

    def update(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/security-groups/{id}"""
        ctxt = req.context.ctxt
        with self._db.reading() as connection:
            group = self.collection.find(connection, ctxt, id)
        changes = _columns(schemas.changes_of(req, "security_group"))
        self._access.require(ctxt, "update_security_group", group)
        if group["default_for"] and "name" in changes:
            raise errors.SecurityGroupCannotUpdateDefault()
        _check_name(changes)
        queries.update(self._db, id, changes)
        with self._db.reading() as connection:
            group = self.collection.find(connection, ctxt, id)
        return self.collection.answer(ctxt, [group], bulk=False)

    def delete(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """DELETE /v2.0/security-groups/{id}"""
        ctxt = req.context.ctxt
        with self._db.reading() as connection:
            group = self.collection.find(connection, ctxt, id)
        self._access.require(ctxt, "delete_security_group", group)
        if group["default_for"] and not self._access.privileged(ctxt):
            raise errors.SecurityGroupCannotRemoveDefault()
        queries.delete(self._db, id)
        # Rules of other groups may have referred to it, and went with it.
        self._binder.refresh()

    def _values(self, ctxt: Any, item: Row) -> Row:
        project_id = self._access.owner_of(ctxt, item)
        self._access.require(ctxt, "create_security_group", {"project_id": project_id})
        given = _columns(item)
        _check_name(given)
        return {"name": "", "description": "", "tags": [], **given, "project_id": project_id}


def _columns(item: Row) -> Row:
    found = {
        name: value
        for name, value in item.items()
        if name in ("name", "description", "tags") and value is not None
    }
    if "tags" in found:
        found["tags"] = sorted(set(found["tags"]))
    return found


def _check_name(given: Row) -> None:
    if str(given.get("name", "")).lower() == queries.DEFAULT:
        raise errors.SecurityGroupDefaultAlreadyExists()


def _render(connection: sa.Connection, rows: list[Row], privileged: bool) -> list[Row]:
    rules = queries.rules_of(connection, [row["id"] for row in rows])
    return [views.security_group(row, rules[row["id"]]) for row in rows]


def routes(handler: SecurityGroups) -> list[Route]:
    path, one = "/v2.0/security-groups", "/v2.0/security-groups/{id}"
    return [
        Route("GET", path, handler.index),
        Route("POST", path, handler.create, status=201),
        Route("GET", one, handler.collection.show),
        Route("PUT", one, handler.update),
        Route("DELETE", one, handler.delete, status=204),
    ]
