"""List and show, the same for every resource."""

from collections.abc import Callable, Sequence

import falcon
import sqlalchemy as sa

from minova.common.context import RequestContext
from minova.companions.network import listing
from minova.companions.network.access import Access, Scope
from minova.companions.network.listing import Resource, Row, is_id
from minova.db.engine import Database

Render = Callable[[sa.Connection, list[Row], bool], list[Row]]


class Collection:
    """GET of one kind of resource.

    `scope(ctxt, privileged)` narrows what is seen; `render(connection, rows,
    privileged)` turns rows into bodies.
    """

    def __init__(
        self,
        db: Database,
        access: Access,
        resource: Resource,
        rule: str,
        scope: Callable[[RequestContext, bool], Scope],
        render: Render,
    ) -> None:
        self._db, self._access, self.resource = db, access, resource
        self._rule, self._scope, self._render = rule, scope, render

    def index(self, req: falcon.Request, resp: falcon.Response) -> Row:
        """GET /v2.0/<plural>"""
        ctxt, resource = req.context.ctxt, self.resource
        self._access.require(ctxt, self._rule)
        privileged = self._access.privileged(ctxt)
        query = listing.parse(req, resource, privileged)
        with self._db.reading() as connection:
            scope = self._scope(ctxt, privileged)
            rows, more = listing.fetch(connection, resource, scope, query)
            bodies = self._render(connection, rows, privileged)
        return {
            resource.plural: [listing.chosen(body, query.fields) for body in bodies],
            **listing.links(req, resource, query, rows, more),
        }

    def show(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """GET /v2.0/<plural>/{id}"""
        ctxt = req.context.ctxt
        self._access.require(ctxt, self._rule)
        fields = frozenset(req.get_param_as_list("fields") or [])
        with self._db.reading() as connection:
            row = self.find(connection, ctxt, id)
            body = self._render(connection, [row], self._access.privileged(ctxt))[0]
        return {self.resource.name: listing.chosen(body, fields)}

    def find(self, connection: sa.Connection, ctxt: RequestContext, id: str) -> Row:
        """The row, or the resource's not-found error when it is not there for `ctxt`."""
        table = self.resource.table
        if not is_id(id):
            raise self.resource.not_found(id=id[:64])
        scope = self._scope(ctxt, self._access.privileged(ctxt))
        found = connection.execute(sa.select(table).where(table.c.id == id, *scope))
        row = found.mappings().first()
        if row is None:
            raise self.resource.not_found(id=id[:64])
        return dict(row)

    def answer(self, ctxt: RequestContext, rows: Sequence[Row], bulk: bool) -> Row:
        """The body of a POST or PUT: one resource or a list."""
        with self._db.reading() as connection:
            bodies = self._render(connection, list(rows), self._access.privileged(ctxt))
        return {self.resource.plural: bodies} if bulk else {self.resource.name: bodies[0]}
