"""/v3/roles, and which role brings which (implied roles)."""

from typing import Any

import falcon
import sqlalchemy as sa

from minova.common import errors, wsgi
from minova.common.wsgi import Route
from minova.companions.identity import catalog, schemas, tables
from minova.companions.identity.collection import Collection

_implied = tables.implied_roles


class Roles(Collection):
    """Roles are global; deleting one takes it from everybody."""

    member, plural, table = "role", "roles", tables.roles
    _properties = {"name": schemas.NAME, "description": schemas.DESCRIPTION}
    create_check = schemas.resource("role", _properties, ("name",))
    update_check = schemas.resource("role", _properties)
    reserved = Collection.reserved | {"domain_id"}

    def routes(self) -> list[Route]:
        implies = "/v3/roles/{role_id}/implies"
        one = f"{implies}/{{implied_role_id}}"
        return [
            *super().routes(),
            Route("GET", implies, self.list_implied),
            Route("GET", one, self.show_implied),
            Route("HEAD", one, self.show_implied, 204),
            Route("PUT", one, self.create_implied, 201),
            Route("DELETE", one, self.delete_implied, 204),
            Route("GET", "/v3/role_inferences", self.list_inferences),
        ]

    def list_implied(self, req: falcon.Request, resp: falcon.Response, role_id: str) -> Any:
        self._enforcer.authorize(req.context.ctxt, "identity:list_implied_roles")
        with self._db.reading() as connection:
            prior = self.find(connection, role_id)
            rows = connection.execute(_brought().where(_implied.c.prior_role_id == role_id)).all()
        return {
            "role_inference": self._inference(req, prior, rows),
            "links": {"self": f"{wsgi.base_url(req)}{req.path}"},
        }

    def show_implied(
        self, req: falcon.Request, resp: falcon.Response, role_id: str, implied_role_id: str
    ) -> Any:
        self._enforcer.authorize(req.context.ctxt, "identity:list_implied_roles")
        with self._db.reading() as connection:
            pair = self._pair(connection, role_id, implied_role_id)
            found = connection.execute(_implied.select().where(*_is(role_id, implied_role_id)))
            if found.first() is None:
                raise errors.NotFound(f"{role_id} does not imply {implied_role_id}.")
        return self._shown_pair(req, *pair)

    def create_implied(
        self, req: falcon.Request, resp: falcon.Response, role_id: str, implied_role_id: str
    ) -> Any:
        self._enforcer.authorize(req.context.ctxt, "identity:create_implied_role")
        return self._shown_pair(req, *self._in_transaction(self._imply, role_id, implied_role_id))

    def delete_implied(
        self, req: falcon.Request, resp: falcon.Response, role_id: str, implied_role_id: str
    ) -> None:
        self._enforcer.authorize(req.context.ctxt, "identity:delete_implied_role")
        self._in_transaction(self._no_longer_imply, role_id, implied_role_id)

    def list_inferences(self, req: falcon.Request, resp: falcon.Response) -> Any:
        self._enforcer.authorize(req.context.ctxt, "identity:list_implied_roles")
        with self._db.reading() as connection:
            roles = {row.id: row for row in connection.execute(self.table.select())}
            rows = connection.execute(_brought()).all()
        priors = dict.fromkeys(row.prior_role_id for row in rows)
        return {
            "role_inferences": [
                self._inference(req, roles[prior], [r for r in rows if r.prior_role_id == prior])
                for prior in priors
            ],
            "links": {"self": f"{wsgi.base_url(req)}{req.path}"},
        }

    def creating(self, connection: sa.Connection, values: dict[str, Any]) -> None:
        catalog.changed(connection)

    def updating(self, connection: sa.Connection, row: Any, values: dict[str, Any]) -> None:
        catalog.changed(connection)

    def deleting(self, connection: sa.Connection, row: Any) -> None:
        for column in (
            tables.assignments.c.role_id,
            _implied.c.prior_role_id,
            _implied.c.implied_role_id,
        ):
            connection.execute(sa.delete(column.table).where(column == row.id))
        catalog.changed(connection)

    def shown(self, row: Any) -> dict[str, Any]:
        return {"domain_id": None, "options": {}, **super().shown(row)}

    def _imply(self, connection: sa.Connection, role_id: str, implied_id: str) -> tuple[Any, Any]:
        pair = self._pair(connection, role_id, implied_id, lock=True)
        if role_id == implied_id:
            raise errors.Invalid("A role cannot imply itself.")
        found = connection.execute(_implied.select().where(*_is(role_id, implied_id)))
        if found.first() is None:
            connection.execute(
                _implied.insert().values(prior_role_id=role_id, implied_role_id=implied_id)
            )
            catalog.changed(connection)
        return pair

    def _no_longer_imply(self, connection: sa.Connection, role_id: str, implied_id: str) -> None:
        self._pair(connection, role_id, implied_id)
        gone = connection.execute(_implied.delete().where(*_is(role_id, implied_id)))
        if not gone.rowcount:
            raise errors.NotFound(f"{role_id} does not imply {implied_id}.")
        catalog.changed(connection)

    def _pair(
        self, connection: sa.Connection, role_id: str, implied_id: str, lock: bool = False
    ) -> tuple[Any, Any]:
        return self.find(connection, role_id, lock), self.find(connection, implied_id, lock)

    def _shown_pair(self, req: falcon.Request, prior: Any, implied: Any) -> dict[str, Any]:
        inference = {"prior_role": self._brief(req, prior), "implies": self._brief(req, implied)}
        return {
            "role_inference": inference,
            "links": {"self": f"{wsgi.base_url(req)}{req.path}"},
        }

    def _inference(self, req: falcon.Request, prior: Any, rows: Any) -> dict[str, Any]:
        implies = [self._brief(req, row) for row in rows]
        return {"prior_role": self._brief(req, prior), "implies": implies}

    def _brief(self, req: falcon.Request, row: Any) -> dict[str, Any]:
        link = f"{wsgi.base_url(req)}/v3/roles/{row.id}"
        return {"id": row.id, "name": row.name, "links": {"self": link}}


def _brought() -> sa.Select[Any]:
    """Implied roles with the id of the role that brings each."""
    roles = tables.roles
    return (
        sa.select(_implied.c.prior_role_id, roles.c.id, roles.c.name)
        .join(roles, roles.c.id == _implied.c.implied_role_id)
        .order_by(_implied.c.prior_role_id, roles.c.name)
    )


def _is(role_id: str, implied_id: str) -> list[Any]:
    return [_implied.c.prior_role_id == role_id, _implied.c.implied_role_id == implied_id]
