"""Routes of routers: in PUT /v2.0/routers/{id}, and added or removed a few at a time."""

import falcon

from minova.common.wsgi import Route
from minova.companions.network import addresses, schemas
from minova.companions.network.api.routers import Routers
from minova.companions.network.binding import Binder
from minova.companions.network.listing import Row
from minova.companions.network.queries import extra_routes as queries
from minova.db.engine import Database


class ExtraRoutes:
    """PUT add_extraroutes and remove_extraroutes; both may be repeated."""

    def __init__(self, db: Database, binder: Binder, routers: Routers) -> None:
        self._db, self._binder, self._routers = db, binder, routers

    def add(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/routers/{id}/add_extraroutes"""
        return self._change(req, id, adding=True)

    def remove(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/routers/{id}/remove_extraroutes"""
        return self._change(req, id, adding=False)

    def _change(self, req: falcon.Request, id: str, adding: bool) -> Row:
        ctxt = req.context.ctxt
        self._routers.mine(ctxt, id, "update_router")
        given = addresses.parse_routes(
            schemas.changes_of(req, "router", "routes_of_router")["routes"]
        )

        def changed(present: list[Row]) -> list[Row]:
            if adding:
                return [*present, *(route for route in given if route not in present)]
            return [route for route in present if route not in given]

        queries.change(self._db, id, changed)
        self._binder.refresh()
        return self._routers.shown(ctxt, id)


def routes(handler: ExtraRoutes) -> list[Route]:
    one = "/v2.0/routers/{id}"
    return [
        Route("PUT", f"{one}/add_extraroutes", handler.add),
        Route("PUT", f"{one}/remove_extraroutes", handler.remove),
    ]
