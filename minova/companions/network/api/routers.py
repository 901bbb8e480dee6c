"""/v2.0/routers"""

from typing import Any

import falcon
import sqlalchemy as sa
from oslo_config import cfg

from minova.common import wsgi
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.common.wsgi import Route
from minova.companions.network import errors, schemas, views
from minova.companions.network.access import (
    Access,
    visible_networks,
    visible_ports,
    visible_routers,
    visible_subnets,
)
from minova.companions.network.api.collection import Collection
from minova.companions.network.binding import Binder
from minova.companions.network.listing import Resource, Row, columns_of, is_id, tag_filters
from minova.companions.network.queries import networks as network_queries
from minova.companions.network.queries import ports as port_queries
from minova.companions.network.queries import routers as queries
from minova.companions.network.queries import service_ports
from minova.companions.network.queries import subnets as subnet_queries
from minova.companions.network.tables import ports, routers, subnets
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
                self._set_gateway(ctxt, row, item.get("external_gateway_info"))
                made.append(row["id"])
            undone.clear()
        with self._db.reading() as connection:
            rows = [self.collection.find(connection, ctxt, router_id) for router_id in made]
        return self.collection.answer(ctxt, rows, bulk)

    def update(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/routers/{id}"""
        ctxt = req.context.ctxt
        router = self._mine(ctxt, id, "update_router")
        changes = schemas.changes_of(req, "router")
        if "external_gateway_info" in changes:
            router = self._set_gateway(ctxt, router, changes["external_gateway_info"])
        values = _values(changes)
        if values:
            queries.update(self._db, id, values)
            self._binder.refresh()
        with self._db.reading() as connection:
            router = self.collection.find(connection, ctxt, id)
        return self.collection.answer(ctxt, [router], bulk=False)

    def delete(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """DELETE /v2.0/routers/{id}"""
        router = self._mine(req.context.ctxt, id, "delete_router")
        queries.delete(self._db, router)

    def add_interface(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/routers/{id}/add_router_interface"""
        ctxt = req.context.ctxt
        router = self._mine(ctxt, id, "update_router")
        wanted = _interface_of(req)
        if "port_id" in wanted:
            port, subnet = self._own_port(ctxt, wanted["port_id"])
        else:
            port, subnet = None, self._subnet(ctxt, wanted["subnet_id"])
        with self._db.reading() as connection:
            queries.check_interface(connection, id, subnet)
            network = network_queries.get(connection, subnet["network_id"])
        if port is None:
            port = service_ports.create(
                self._db,
                network,
                [subnet],
                cfg.CONF.network.mac_prefix,
                device_id=id,
                device_owner=service_ports.INTERFACE_OWNER,
                project_id=router["project_id"],
                fixed_ips=[{"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}],
            )
        else:
            queries.take_interface(self._db, port["id"], id)
        self._binder.refresh()
        return _interface(router, port, subnet)

    def remove_interface(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/routers/{id}/remove_router_interface"""
        ctxt = req.context.ctxt
        router = self._mine(ctxt, id, "update_router")
        wanted = _interface_of(req)
        with self._db.reading() as connection:
            port = _found(queries.interfaces(connection, [id])[id], router, wanted)
            subnet = subnet_queries.get(connection, port["fixed_ips"][0]["subnet_id"])
        queries.remove_interface(self._db, id, port["id"])
        self._binder.refresh()
        return _interface(router, port, subnet)

    def _mine(self, ctxt: RequestContext, router_id: str, rule: str) -> Row:
        with self._db.reading() as connection:
            router = self.collection.find(connection, ctxt, router_id)
        self._access.require(ctxt, rule, router)
        return router

    def _set_gateway(self, ctxt: RequestContext, router: Row, wanted: Row | None) -> Row:
        """The router with the way out that `external_gateway_info` describes."""
        network_id = (wanted or {}).get("network_id")
        if network_id == router["external_network_id"]:
            return router
        if network_id is None:
            queries.set_gateway(self._db, router, None, None)
            return {**router, "external_network_id": None, "gateway_port_id": None}
        with self._db.reading() as connection:
            scope = visible_networks(ctxt, self._access.privileged(ctxt))
            network = network_queries.get(connection, network_id, *scope)
            of_network = subnet_queries.of_network(connection, network_id)
        if not network["external"]:
            raise errors.HTTPBadRequest(
                f"Bad router request: Network {network_id} is not an external network."
            )
        port = service_ports.create(
            self._db,
            network,
            of_network,
            cfg.CONF.network.mac_prefix,
            device_id=router["id"],
            device_owner=service_ports.GATEWAY_OWNER,
            fixed_ips=(wanted or {}).get("external_fixed_ips") or None,
        )
        try:
            queries.set_gateway(self._db, router, network_id, port["id"])
        except BaseException:
            port_queries.delete(self._db, port["id"])
            raise
        return {**router, "external_network_id": network_id, "gateway_port_id": port["id"]}

    def _subnet(self, ctxt: RequestContext, subnet_id: str) -> Row:
        """A subnet the caller sees and whose host is its gateway."""
        with self._db.reading() as connection:
            scope = visible_subnets(ctxt, self._access.privileged(ctxt))
            seen = sa.select(subnets.c.id).where(subnets.c.id == subnet_id, *scope)
            if not is_id(subnet_id) or connection.execute(seen).first() is None:
                raise errors.SubnetNotFound(id=subnet_id)
            subnet = subnet_queries.get(connection, subnet_id)
        if not subnet["gateway_ip"]:
            raise errors.HTTPBadRequest("Subnet for router interface must have a gateway IP")
        return subnet

    def _own_port(self, ctxt: RequestContext, port_id: str) -> tuple[Row, Row]:
        """A port the caller sees, and its subnet, whose gateway it has to be."""
        with self._db.reading() as connection:
            scope = visible_ports(ctxt, self._access.privileged(ctxt))
            seen = sa.select(ports.c.id).where(ports.c.id == port_id, *scope)
            if not is_id(port_id) or connection.execute(seen).first() is None:
                raise errors.PortNotFound(id=port_id)
            port = port_queries.get(connection, port_id)
            if port["device_id"]:
                raise errors.PortInUse(id=port_id)
            if len(port["fixed_ips"]) != 1:
                raise errors.HTTPBadRequest("A router's port must have exactly one fixed IP")
            subnet = subnet_queries.get(connection, port["fixed_ips"][0]["subnet_id"])
        if port["fixed_ips"][0]["ip_address"] != subnet["gateway_ip"]:
            raise errors.HTTPBadRequest(
                f"A router is its subnets' gateway here: port {port_id} would need the address "
                f"{subnet['gateway_ip']}"
            )
        return port, subnet


def _interface_of(req: falcon.Request) -> Row:
    """`subnet_id` or `port_id`, of the body."""
    wanted: Row = schemas.check("router_interface", wsgi.body_of(req))
    if not wanted:
        raise errors.HTTPBadRequest("Either subnet_id or port_id must be specified")
    return wanted


def _found(present: list[Row], router: Row, wanted: Row) -> Row:
    for port in present:
        of_port = {fixed["subnet_id"] for fixed in port["fixed_ips"]}
        if wanted.get("port_id", port["id"]) == port["id"] and (
            "subnet_id" not in wanted or wanted["subnet_id"] in of_port
        ):
            return port
    if "port_id" in wanted:
        raise errors.RouterInterfaceNotFound(id=router["id"], port_id=wanted["port_id"])
    raise errors.RouterInterfaceNotFoundForSubnet(id=router["id"], subnet_id=wanted["subnet_id"])


def _interface(router: Row, port: Row, subnet: Row) -> Row:
    return {
        "id": router["id"],
        "port_id": port["id"],
        "subnet_id": subnet["id"],
        "subnet_ids": [subnet["id"]],
        "network_id": port["network_id"],
        "project_id": router["project_id"],
        "tenant_id": router["project_id"],
        "tags": router["tags"],
    }


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
        Route("PUT", f"{one}/add_router_interface", handler.add_interface),
        Route("PUT", f"{one}/remove_router_interface", handler.remove_interface),
    ]
