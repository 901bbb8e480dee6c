"""PUT /v2.0/routers/{id}/add_router_interface and remove_router_interface

By `subnet_id` the interface gets the subnet's gateway address; by `port_id`
it has the addresses of that port.
"""

import uuid

import falcon
import sqlalchemy as sa
from oslo_config import cfg

from minova.common import wsgi
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.common.wsgi import Route
from minova.companions.network import errors, schemas
from minova.companions.network.access import Access, visible_ports, visible_subnets
from minova.companions.network.api.routers import Routers
from minova.companions.network.binding import Binder
from minova.companions.network.listing import Row
from minova.companions.network.queries import interfaces as queries
from minova.companions.network.queries import networks as network_queries
from minova.companions.network.queries import ports as port_queries
from minova.companions.network.queries import service_ports
from minova.companions.network.queries import subnets as subnet_queries
from minova.companions.network.tables import ports, subnets
from minova.db.engine import Database


class RouterInterfaces:
    """Which subnets are on a router, and with which of its addresses."""

    def __init__(self, db: Database, access: Access, binder: Binder, routers: Routers) -> None:
        self._db, self._access, self._binder = db, access, binder
        self._routers = routers

    def add(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/routers/{id}/add_router_interface"""
        ctxt = req.context.ctxt
        router = self._routers.mine(ctxt, id, "update_router")
        wanted = _wanted(req)
        if len(wanted) == 2:
            raise _bad("Cannot specify both subnet-id and port-id")
        if "port_id" in wanted:
            self._check_port(ctxt, wanted["port_id"])
            port, of_port = queries.take(self._db, wanted["port_id"], id)
        else:
            subnet = self._subnet(ctxt, wanted["subnet_id"])
            port, of_port = self._add_subnet(router, subnet), [subnet]
        self._binder.refresh()
        return _interface(router, port, of_port)

    def remove(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/routers/{id}/remove_router_interface"""
        ctxt = req.context.ctxt
        router = self._routers.mine(ctxt, id, "update_router")
        wanted = _wanted(req)
        with self._db.reading() as connection:
            port = _found(queries.of_router(connection, id), router, wanted)
            leaving = [fixed["subnet_id"] for fixed in port["fixed_ips"]]
            if "port_id" not in wanted:
                leaving = [wanted["subnet_id"]]
            of_port = [subnet_queries.get(connection, subnet_id) for subnet_id in leaving]
        queries.remove(self._db, id, port, leaving)
        self._binder.refresh()
        return _interface(router, port, of_port)

    def _add_subnet(self, router: Row, subnet: Row) -> Row:
        """The router's port with the subnet's gateway address."""
        fixed = {"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}
        with self._db.reading() as connection:
            queries.check(connection, router["id"], [subnet])
            network = network_queries.get(connection, subnet["network_id"])
            known = queries.of_router(connection, router["id"], ipv6_on=network["id"])
        if known and subnet["ip_version"] == 6:
            both = [*known[0]["fixed_ips"], fixed]
            request = port_queries.PortRequest(
                network, [subnet], fixed_ips=both, security_groups=known[0]["security_groups"]
            )
            return port_queries.update(self._db, known[0]["id"], {}, request)
        with Undo() as undone:
            port = service_ports.create(
                self._db,
                network,
                [subnet],
                cfg.CONF.network.mac_prefix,
                device_id="",
                device_owner=service_ports.INTERFACE_OWNER,
                project_id=router["project_id"],
                fixed_ips=[fixed],
            )
            undone.push(port_queries.delete, self._db, port["id"])
            queries.take(self._db, port["id"], router["id"])
            undone.clear()
        return port

    def _subnet(self, ctxt: RequestContext, subnet_id: str) -> Row:
        """A subnet the caller sees, and that has a gateway."""
        with self._db.reading() as connection:
            scope = visible_subnets(ctxt, self._access.privileged(ctxt))
            seen = sa.select(subnets.c.id).where(subnets.c.id == subnet_id, *scope)
            if connection.execute(seen).first() is None:
                raise errors.SubnetNotFound(id=subnet_id)
            subnet = subnet_queries.get(connection, subnet_id)
        if not subnet["gateway_ip"]:
            raise _bad("Subnet for router interface must have a gateway IP")
        if subnet["ipv6_address_mode"] is not None and subnet["ipv6_ra_mode"] is None:
            raise _bad(
                f"IPv6 subnet {subnet_id} configured to receive RAs from an external router "
                "cannot be added to Neutron Router."
            )
        return subnet

    def _check_port(self, ctxt: RequestContext, port_id: str) -> None:
        with self._db.reading() as connection:
            scope = visible_ports(ctxt, self._access.privileged(ctxt))
            seen = sa.select(ports.c.id).where(ports.c.id == port_id, *scope)
            if connection.execute(seen).first() is None:
                raise errors.PortNotFound(id=port_id)


def _bad(message: str) -> errors.BadRequest:
    return errors.BadRequest(resource="router", msg=message)


def _wanted(req: falcon.Request) -> Row:
    """`subnet_id`, `port_id` or both, of the body."""
    wanted: Row = schemas.check("router_interface", wsgi.body_of(req))
    if not wanted:
        raise _bad("Either subnet_id or port_id must be specified")
    for text in wanted.values():
        try:
            uuid.UUID(text)
        except ValueError:
            raise _bad(f"'{text}' is not a valid UUID") from None
    return wanted


def _found(present: list[Row], router: Row, wanted: Row) -> Row:
    """The interface that is meant."""
    subnet_id, port_id = wanted.get("subnet_id"), wanted.get("port_id")
    for port in present:
        on_subnet = any(fixed["subnet_id"] == subnet_id for fixed in port["fixed_ips"])
        if port_id == port["id"]:
            if subnet_id is not None and not on_subnet:
                raise errors.SubnetMismatchForPort(port_id=port_id, subnet_id=subnet_id)
            return port
        if port_id is None and on_subnet:
            return port
    if port_id is not None:
        raise errors.RouterInterfaceNotFound(id=router["id"], port_id=port_id)
    raise errors.RouterInterfaceNotFoundForSubnet(id=router["id"], subnet_id=subnet_id)


def _interface(router: Row, port: Row, of_port: list[Row]) -> Row:
    subnet_ids = [subnet["id"] for subnet in of_port]
    return {
        "id": router["id"],
        "port_id": port["id"],
        "subnet_id": subnet_ids[-1],
        "subnet_ids": subnet_ids,
        "network_id": port["network_id"],
        "project_id": port["project_id"],
        "tenant_id": port["project_id"],
        "tags": router["tags"],
    }


def routes(handler: RouterInterfaces) -> list[Route]:
    one = "/v2.0/routers/{id}"
    return [
        Route("PUT", f"{one}/add_router_interface", handler.add),
        Route("PUT", f"{one}/remove_router_interface", handler.remove),
    ]
