"""/v2.0/routers"""

from collections.abc import Sequence
from typing import Any

import falcon
import sqlalchemy as sa
from oslo_config import cfg

from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.common.wsgi import Route
from minova.companions.network import addresses, errors, schemas, views
from minova.companions.network.access import Access, visible_networks, visible_routers
from minova.companions.network.api.collection import Collection
from minova.companions.network.binding import Binder
from minova.companions.network.listing import Resource, Row, columns_of, tag_filters
from minova.companions.network.queries import extra_routes, interfaces, service_ports
from minova.companions.network.queries import networks as network_queries
from minova.companions.network.queries import ports as port_queries
from minova.companions.network.queries import routers as queries
from minova.companions.network.queries import subnets as subnet_queries
from minova.companions.network.tables import routers
from minova.db.engine import Database

COLUMNS = routers.c
RESOURCE = Resource(
    "router",
    "routers",
    routers,
    errors.RouterNotFound,
    columns=columns_of(routers, "admin_state_up"),
    special={
        **tag_filters(COLUMNS.tags),
        "status": lambda values: sa.true() if "ACTIVE" in values else sa.false(),
    },
)
_PLAIN = ("name", "description", "admin_state_up")


class Routers:
    """Routers: what is on one reaches each other, and can be led to from outside."""

    def __init__(self, db: Database, access: Access, binder: Binder) -> None:
        self._db, self._access, self._binder = db, access, binder
        self.collection = Collection(db, access, RESOURCE, "get_router", visible_routers, _render)

    def create(self, req: falcon.Request, resp: falcon.Response) -> Row:
        """POST /v2.0/routers"""
        items, bulk = schemas.items_of(req, "router", "routers")
        ctxt = req.context.ctxt
        made = []
        with Undo() as undone:
            for item in items:
                project_id = self._access.owner_of(ctxt, item)
                self._access.require(ctxt, "create_router", {"project_id": project_id})
                values = {
                    "name": "",
                    "description": "",
                    "admin_state_up": True,
                    **_values(item),
                    "project_id": project_id,
                }
                row = queries.create(self._db, values)
                undone.push(queries.delete, self._db, row)
                wanted = item.get("external_gateway_info")
                self._set_gateway(ctxt, "create_router", row, wanted)
                made.append(row["id"])
            undone.clear()
        with self._db.reading() as connection:
            rows = [self.collection.find(connection, ctxt, router_id) for router_id in made]
        return self.collection.answer(ctxt, rows, bulk)

    def update(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/routers/{id}"""
        ctxt = req.context.ctxt
        router = self.mine(ctxt, id, "update_router")
        changes = schemas.changes_of(req, "router")
        if "external_gateway_info" in changes:
            wanted = changes["external_gateway_info"]
            router = self._set_gateway(ctxt, "update_router", router, wanted)
        values = _values(changes)
        if values:
            queries.update(self._db, id, values)
        if "routes" in changes:
            routes = addresses.parse_routes(changes["routes"])
            extra_routes.change(self._db, id, lambda _: routes)
        if values or "routes" in changes:
            self._binder.refresh()
        return self.shown(ctxt, id)

    def delete(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """DELETE /v2.0/routers/{id}"""
        router = self.mine(req.context.ctxt, id, "delete_router")
        queries.delete(self._db, router)

    def shown(self, ctxt: RequestContext, router_id: str) -> Row:
        """The router as the body of an answer."""
        with self._db.reading() as connection:
            router = self.collection.find(connection, ctxt, router_id)
        return self.collection.answer(ctxt, [router], bulk=False)

    def mine(self, ctxt: RequestContext, router_id: str, rule: str) -> Row:
        """A router the caller may do this to."""
        with self._db.reading() as connection:
            router = self.collection.find(connection, ctxt, router_id)
        self._access.require(ctxt, rule, router)
        return router

    def _set_gateway(self, ctxt: RequestContext, rule: str, router: Row, wanted: Row | None) -> Row:
        """The router with the way out that `external_gateway_info` describes."""
        if not wanted:
            if router["external_network_id"] is not None:
                queries.set_gateway(self._db, router, None, None)
                self._binder.refresh()
            return {**router, "external_network_id": None, "gateway_port_id": None}
        network_id = _network_of(wanted)
        fixed_ips = wanted.get("external_fixed_ips") or None
        snat = wanted.get("enable_snat") is not False
        if fixed_ips:
            self._access.require(ctxt, f"{rule}:external_gateway_info:external_fixed_ips", router)
        if not snat:
            self._access.require(ctxt, f"{rule}:external_gateway_info:enable_snat", router)
        with self._db.reading() as connection:
            scope = visible_networks(ctxt, self._access.privileged(ctxt))
            network = network_queries.get(connection, network_id, *scope)
            of_network = subnet_queries.of_network(connection, network_id)
            if not network["external"]:
                raise errors.BadRequest(
                    resource="router", msg=f"Network {network_id} is not an external network"
                )
            _check_addresses(of_network, fixed_ips or ())
            if network_id != router["external_network_id"]:
                interfaces.check(connection, router["id"], of_network, way_out=True)
        if network_id == router["external_network_id"]:
            if fixed_ips:
                request = port_queries.PortRequest(network, of_network, fixed_ips=fixed_ips)
                port_queries.update(self._db, router["gateway_port_id"], {}, request)
            if snat != (router["enable_snat"] is not False):
                queries.update(self._db, router["id"], {"enable_snat": snat})
                self._binder.refresh()
            return router
        port = service_ports.create(
            self._db,
            network,
            of_network,
            cfg.CONF.network.mac_prefix,
            device_id=router["id"],
            device_owner=service_ports.GATEWAY_OWNER,
            fixed_ips=fixed_ips,
        )
        try:
            queries.set_gateway(self._db, router, network_id, port["id"], snat)
        except BaseException:
            port_queries.delete(self._db, port["id"])
            raise
        self._binder.refresh()
        return {**router, "external_network_id": network_id, "gateway_port_id": port["id"]}


def _network_of(wanted: Row) -> str:
    """The network of an `external_gateway_info` that is not empty."""
    if wanted.get("network_id") is None:
        given = ", ".join(sorted(wanted))
        raise errors.HTTPBadRequest(
            "Invalid input for external_gateway_info. Reason: Validation of dictionary's keys "
            f"failed. Expected keys: network_id. Provided keys: {given}."
        )
    return str(wanted["network_id"])


def _check_addresses(of_network: list[Row], fixed_ips: Sequence[Row]) -> None:
    gateways = {subnet["gateway_ip"] for subnet in of_network} - {None}
    for fixed in fixed_ips:
        if fixed.get("ip_address") in gateways:
            raise errors.BadRequest(
                resource="router",
                msg=f"External IP {fixed['ip_address']} is the same as the gateway IP",
            )


def _values(item: Row) -> Row:
    found = {name: item[name] for name in _PLAIN if item.get(name) is not None}
    if item.get("tags") is not None:
        found["tags"] = sorted(set(item["tags"]))
    return found


def _render(connection: sa.Connection, rows: list[Row], privileged: bool) -> list[Any]:
    gateways = queries.gateways(connection, rows)
    return [views.router(row, gateways[row["id"]]) for row in rows]


def routes(handler: Routers) -> list[Route]:
    path, one = "/v2.0/routers", "/v2.0/routers/{id}"
    return [
        Route("GET", path, handler.collection.index),
        Route("POST", path, handler.create, status=201),
        Route("GET", one, handler.collection.show),
        Route("PUT", one, handler.update),
        Route("DELETE", one, handler.delete, status=204),
    ]
