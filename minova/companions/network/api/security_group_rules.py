"""/v2.0/security-group-rules"""

from typing import Any

import falcon
import sqlalchemy as sa

from minova.common.context import RequestContext
from minova.common.wsgi import Route
from minova.companions.network import errors, rules, schemas, views
from minova.companions.network.access import Access, Scope, visible_groups
from minova.companions.network.api.collection import Collection
from minova.companions.network.binding import Binder
from minova.companions.network.listing import Resource, Row, columns_of
from minova.companions.network.queries import groups as queries
from minova.companions.network.tables import security_group_rules, security_groups
from minova.db.engine import Database

COLUMNS = security_group_rules.c
RESOURCE = Resource(
    "security_group_rule",
    "security_group_rules",
    security_group_rules,
    errors.SecurityGroupRuleNotFound,
    columns=columns_of(
        security_group_rules,
        "security_group_id",
        "direction",
        "ethertype",
        "protocol",
        "port_range_min",
        "port_range_max",
        "remote_ip_prefix",
        "remote_group_id",
    ),
)
_GIVEN = (
    "security_group_id",
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
    "description",
)


class SecurityGroupRules:
    """Rules; a change reaches running guests at once."""

    def __init__(self, db: Database, access: Access, binder: Binder) -> None:
        self._db, self._access, self._binder = db, access, binder
        self.collection = Collection(
            db, access, RESOURCE, "get_security_group", _visible_rules, _render
        )

    def create(self, req: falcon.Request, resp: falcon.Response) -> Row:
        """POST /v2.0/security-group-rules"""
        items, bulk = schemas.items_of(req, "security_group_rule", "security_group_rules")
        ctxt = req.context.ctxt
        rows = queries.create_rules(self._db, [self._values(ctxt, item) for item in items])
        self._binder.rules_changed([row["security_group_id"] for row in rows])
        return self.collection.answer(ctxt, rows, bulk)

    def delete(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """DELETE /v2.0/security-group-rules/{id}"""
        ctxt = req.context.ctxt
        with self._db.reading() as connection:
            rule = self.collection.find(connection, ctxt, id)
        self._access.require(ctxt, "delete_security_group_rule", rule)
        queries.delete_rule(self._db, id)
        self._binder.rules_changed([rule["security_group_id"]])

    def _values(self, ctxt: Any, item: Row) -> Row:
        """The rule in the form that is stored; it belongs to its group's project."""
        scope = visible_groups(ctxt, self._access.privileged(ctxt))
        with self._db.reading() as connection:
            group = queries.get(connection, item["security_group_id"], *scope)
            if item.get("remote_group_id"):
                queries.get(connection, item["remote_group_id"], *scope)
        self._access.owner_of(ctxt, {"project_id": group["project_id"], **item})
        self._access.require(ctxt, "create_security_group_rule", group)
        given = {name: item.get(name) for name in _GIVEN}
        for name in ("port_range_min", "port_range_max"):
            given[name] = _number(name, given[name])
        given["ethertype"] = given["ethertype"] or "IPv4"
        given["remote_group_id"] = given["remote_group_id"] or None
        given["description"] = given["description"] or ""
        return {**rules.normalized(given), "project_id": group["project_id"]}


def _number(name: str, value: Any) -> int | None:
    if value is None or value == "":
        return None
    try:
        return int(value)
    except ValueError:
        raise errors.InvalidInput(reason=f"'{value}' is not a number for '{name}'") from None


def _visible_rules(ctxt: RequestContext, privileged: bool) -> Scope:
    if privileged:
        return []
    own = sa.select(security_groups.c.id).where(*visible_groups(ctxt, privileged))
    return [COLUMNS.security_group_id.in_(own)]


def _render(connection: sa.Connection, rows: list[Row], privileged: bool) -> list[Row]:
    return [views.security_group_rule(row) for row in rows]


def routes(handler: SecurityGroupRules) -> list[Route]:
    path, one = "/v2.0/security-group-rules", "/v2.0/security-group-rules/{id}"
    return [
        Route("GET", path, handler.collection.index),
        Route("POST", path, handler.create, status=201),
        Route("GET", one, handler.collection.show),
        Route("DELETE", one, handler.delete, status=204),
    ]
