"""One REST collection over one table: list, show, create, update, delete.

Domains, projects, users, roles, regions, services and endpoints differ in
their columns and in what a change drags along; each subclass says just that.
Attributes without a column are kept in `extra` and shown again.
"""

import json
import uuid
from typing import Any

import falcon
import sqlalchemy as sa

from minova.common import errors, wsgi
from minova.common.policy import Enforcer
from minova.common.wsgi import Route
from minova.companions.identity import schemas
from minova.db.engine import Database, retried

MAX_LISTED = 10_000


class Collection:
    """Subclasses set the class attributes and override the hooks they need."""

    member: str
    plural: str
    table: sa.Table
    filters: tuple[str, ...] = ("name",)
    create_check: schemas.Check
    update_check: schemas.Check
    # Body attributes that never go into `extra` and are never taken from a client.
    reserved: frozenset[str] = frozenset({"id", "links", "options"})
    # Columns that the API does not show.
    hidden: frozenset[str] = frozenset({"extra"})
    # Whether one is hidden (404) rather than refused (403) from those who may not see it.
    private: bool = False
    # Columns that may not change once set.
    fixed: frozenset[str] = frozenset()

    def __init__(self, db: Database, enforcer: Enforcer) -> None:
        self._db = db
        self._enforcer = enforcer

    def routes(self) -> list[Route]:
        path = f"/v3/{self.plural}"
        one = f"{path}/{{{self.member}_id}}"
        return [
            Route("GET", path, self.index),
            Route("POST", path, self.create, 201),
            Route("GET", one, self.show),
            Route("HEAD", one, self.show),
            Route("PATCH", one, self.update),
            Route("DELETE", one, self.delete, 204),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> Any:
        self._enforcer.authorize(req.context.ctxt, f"identity:list_{self.plural}")
        query = self.table.select().where(*self._conditions(req)).order_by(self.table.c.id)
        with self._db.reading() as connection:
            rows = connection.execute(query.limit(MAX_LISTED)).all()
        return self._page(req, [self.view(req, row) for row in rows])

    def show(self, req: falcon.Request, resp: falcon.Response, **ids: str) -> Any:
        with self._db.reading() as connection:
            row = self.find(connection, self._id_of(ids))
        rule = f"identity:get_{self.member}"
        if not self._enforcer.allows(req.context.ctxt, rule, {f"{self.member}_id": row.id}):
            if self.private:
                raise self.missing(row.id)
            raise errors.Forbidden(action=rule)
        return {self.member: self.view(req, row)}

    def create(self, req: falcon.Request, resp: falcon.Response) -> Any:
        self._enforcer.authorize(req.context.ctxt, f"identity:create_{self.member}")
        body = wsgi.body_of(req)
        self.create_check(body)
        row = self._insert(self.new_id(body[self.member]), body[self.member])
        return {self.member: self.view(req, row)}

    def update(self, req: falcon.Request, resp: falcon.Response, **ids: str) -> Any:
        self._enforcer.authorize(req.context.ctxt, f"identity:update_{self.member}")
        body = wsgi.body_of(req)
        self.update_check(body)
        row = self._change(self._id_of(ids), body[self.member])
        return {self.member: self.view(req, row)}

    def delete(self, req: falcon.Request, resp: falcon.Response, **ids: str) -> None:
        self._enforcer.authorize(req.context.ctxt, f"identity:delete_{self.member}")
        self._remove(self._id_of(ids))

    # What a subclass may override.

    def new_id(self, given: dict[str, Any]) -> str:
        return uuid.uuid4().hex

    def prepare(self, given: dict[str, Any]) -> dict[str, Any]:
        """Columns from body attributes; anything slow belongs here, before the transaction."""
        return {key: given[key] for key in self._columns() & given.keys()}

    def creating(self, connection: sa.Connection, values: dict[str, Any]) -> None:
        """Check, complete and note a row about to be inserted."""

    def updating(self, connection: sa.Connection, row: Any, values: dict[str, Any]) -> None:
        """Check and complete a change about to be made to `row`."""

    def deleting(self, connection: sa.Connection, row: Any) -> None:
        """Remove what hangs on `row`, or refuse."""

    def shown(self, row: Any) -> dict[str, Any]:
        """The row's attributes as the API shows them."""
        columns = {key: value for key, value in row._mapping.items() if key not in self.hidden}
        return {**json.loads(row.extra), **columns}

    # What handlers of subclasses use too.

    def view(self, req: falcon.Request, row: Any) -> dict[str, Any]:
        link = f"{wsgi.base_url(req)}/v3/{self.plural}/{row.id}"
        return {**self.shown(row), "links": {"self": link}}

    def find(self, connection: sa.Connection, row_id: str, lock: bool = False) -> Any:
        """The row, or errors.NotFound; `lock` keeps it from being deleted meanwhile."""
        row = None
        if len(row_id) <= 255 and "\0" not in row_id:
            query = self.table.select().where(self.table.c.id == row_id)
            row = connection.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            raise self.missing(row_id)
        return row

    def missing(self, row_id: str) -> errors.NotFound:
        return errors.NotFound(f"Could not find {self.member}: {row_id[:255]}.")

    def _page(self, req: falcon.Request, items: list[dict[str, Any]]) -> dict[str, Any]:
        return page(req, self.plural, items)

    def _id_of(self, ids: dict[str, str]) -> str:
        return ids[f"{self.member}_id"]

    def _columns(self) -> set[str]:
        return set(self.table.c.keys()) - {"id"} - self.hidden

    def _conditions(self, req: falcon.Request) -> list[Any]:
        conditions: list[Any] = []
        for name in self.filters:
            value = req.get_param(name)
            if value is None:
                continue
            column = self.table.c[name]
            if isinstance(column.type, sa.Boolean):
                conditions.append(column == sa.literal(value.lower() not in ("false", "0", "no")))
            else:
                conditions.append(column == value if "\0" not in value else sa.false())
        return conditions

    def _extra(self, given: dict[str, Any]) -> dict[str, Any]:
        known = self._columns() | self.reserved | self.hidden
        return {key: value for key, value in given.items() if key not in known}

    def _insert(self, row_id: str, given: dict[str, Any]) -> Any:
        values = {**self.prepare(given), "id": row_id, "extra": json.dumps(self._extra(given))}
        return self._in_transaction(self._do_insert, values)

    def _do_insert(self, connection: sa.Connection, values: dict[str, Any]) -> Any:
        values = dict(values)
        self.creating(connection, values)
        connection.execute(self.table.insert().values(values))
        return self.find(connection, values["id"])

    def _change(self, row_id: str, given: dict[str, Any]) -> Any:
        if given.get("id", row_id) != row_id:
            raise errors.Invalid(f"The id of a {self.member} cannot be changed.")
        return self._in_transaction(
            self._do_change, row_id, self.prepare(given), self._extra(given)
        )

    def _do_change(
        self,
        connection: sa.Connection,
        row_id: str,
        values: dict[str, Any],
        extra: dict[str, Any],
    ) -> Any:
        row = self.find(connection, row_id, lock=True)
        for name in self.fixed & values.keys():
            if values[name] != row._mapping[name]:
                raise errors.Invalid(f"The {name} of a {self.member} cannot be changed.")
        values = dict(values)
        self.updating(connection, row, values)
        merged = {**json.loads(row.extra), **extra}
        if len(merged) > schemas.MAX_EXTRA:
            raise errors.Invalid(f"A {self.member} has at most {schemas.MAX_EXTRA} attributes.")
        values["extra"] = json.dumps(merged)
        connection.execute(self.table.update().where(self.table.c.id == row_id).values(values))
        return self.find(connection, row_id)

    def _remove(self, row_id: str) -> None:
        self._in_transaction(self._do_remove, row_id)

    def _do_remove(self, connection: sa.Connection, row_id: str) -> None:
        row = self.find(connection, row_id, lock=True)
        self.deleting(connection, row)
        connection.execute(self.table.delete().where(self.table.c.id == row_id))

    @retried
    def _in_transaction(self, work: Any, *arguments: Any) -> Any:
        try:
            with self._db.transaction() as connection:
                return work(connection, *arguments)
        except errors.DuplicateEntry as error:
            columns = error.kwargs.get("columns", "name")
            raise errors.Conflict(
                f"Conflict occurred attempting to store {self.member} - Duplicate entry found: "
                f"another {self.member} has the same {columns}."
            ) from error


def page(req: falcon.Request, plural: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    """A list answer with its links; there is always one page."""
    link = f"{wsgi.base_url(req)}{req.relative_uri.removeprefix(req.root_path)}"
    return {plural: items, "links": {"next": None, "self": link, "previous": None}}
