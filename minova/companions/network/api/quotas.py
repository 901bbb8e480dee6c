"""/v2.0/quotas"""

import falcon

from minova.common.wsgi import Route
from minova.companions.network import errors, schemas
from minova.companions.network.access import Access
from minova.companions.network.listing import Row, is_id
from minova.companions.network.queries import quotas as queries
from minova.db.engine import Database


class Quotas:
    """Limits of projects."""

    def __init__(self, db: Database, access: Access) -> None:
        self._db, self._access = db, access

    def index(self, req: falcon.Request, resp: falcon.Response) -> Row:
        """GET /v2.0/quotas: the projects that have limits of their own."""
        self._access.require(req.context.ctxt, "update_quota")
        with self._db.reading() as connection:
            found = [
                {"project_id": p, "tenant_id": p, **queries.limits(connection, p)}
                for p in queries.projects(connection)
            ]
        return {"quotas": found}

    def show(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> Row:
        """GET /v2.0/quotas/{project_id}"""
        self._authorize(req, "get_quota", project_id)
        with self._db.reading() as connection:
            return {"quota": queries.limits(connection, project_id)}

    def defaults(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> Row:
        """GET /v2.0/quotas/{project_id}/default"""
        self._authorize(req, "get_quota", project_id)
        return {"quota": dict(queries.DEFAULTS)}

    def details(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> Row:
        """GET /v2.0/quotas/{project_id}/details"""
        self._authorize(req, "get_quota", project_id)
        with self._db.reading() as connection:
            limits = queries.limits(connection, project_id)
            used = queries.used(connection, project_id)
        return {
            "quota": {
                name: {"limit": limit, "used": used[name], "reserved": 0}
                for name, limit in limits.items()
            }
        }

    def update(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> Row:
        """PUT /v2.0/quotas/{project_id}"""
        self._authorize(req, "update_quota", project_id)
        wanted = schemas.changes_of(req, "quota")
        limits = {name: int(value) for name, value in wanted.items() if name in queries.DEFAULTS}
        unknown = [name for name in limits if name not in queries.COUNTED and limits[name] > 0]
        if unknown:
            raise errors.InvalidInput(
                reason=f"this cloud has no {', '.join(unknown)}; their limit stays 0"
            )
        counted = {name: value for name, value in limits.items() if name in queries.COUNTED}
        if wanted.get("check_limit") and not wanted.get("force"):
            self._check_use(project_id, counted)
        queries.set_limits(self._db, project_id, counted)
        with self._db.reading() as connection:
            return {"quota": queries.limits(connection, project_id)}

    def _authorize(self, req: falcon.Request, rule: str, project_id: str) -> None:
        self._access.require(req.context.ctxt, rule, {"project_id": project_id})
        if not is_id(project_id):
            raise errors.HTTPBadRequest("The project id must have at most 64 printable characters")

    def _check_use(self, project_id: str, limits: dict[str, int]) -> None:
        with self._db.reading() as connection:
            used = queries.used(connection, project_id)
        for name, limit in limits.items():
            if 0 <= limit < used[name]:
                raise errors.HTTPBadRequest(
                    f"The limit {limit} for {name} is below the {used[name]} in use; "
                    "force it, or delete some first"
                )

    def delete(self, req: falcon.Request, resp: falcon.Response, project_id: str) -> None:
        """DELETE /v2.0/quotas/{project_id}: back to the defaults."""
        self._authorize(req, "update_quota", project_id)
        queries.reset(self._db, project_id)


def routes(handler: Quotas) -> list[Route]:
    path, one = "/v2.0/quotas", "/v2.0/quotas/{project_id}"
    return [
        Route("GET", path, handler.index),
        Route("GET", one, handler.show),
        Route("GET", one + "/default", handler.defaults),
        Route("GET", one + "/details", handler.details),
        Route("PUT", one, handler.update),
        Route("DELETE", one, handler.delete, status=204),
    ]
