"""/v2.0/floatingips"""

import falcon
import sqlalchemy as sa
from oslo_config import cfg

from minova.common.context import RequestContext
from minova.common.wsgi import Route
from minova.companions.network import errors, schemas, views
from minova.companions.network.access import (
    Access,
    visible_floating_ips,
    visible_networks,
    visible_ports,
)
from minova.companions.network.api.collection import Collection
from minova.companions.network.binding import Binder
from minova.companions.network.listing import Resource, Row, columns_of, is_id, tag_filters
from minova.companions.network.queries import floating_ips as queries
from minova.companions.network.queries import networks as network_queries
from minova.companions.network.queries import ports as port_queries
from minova.companions.network.queries import service_ports
from minova.companions.network.queries import subnets as subnet_queries
from minova.companions.network.tables import floating_ips, ports
from minova.db.engine import Database

COLUMNS = floating_ips.c
RESOURCE = Resource(
    "floatingip",
    "floatingips",
    floating_ips,
    errors.FloatingIPNotFound,
    columns=columns_of(
        floating_ips,
        "floating_network_id",
        "floating_ip_address",
        "port_id",
        "fixed_ip_address",
        "router_id",
    ),
    special={
        **tag_filters(COLUMNS.tags),
        "status": lambda values: (
            COLUMNS.port_id.is_not(None) if "ACTIVE" in values else COLUMNS.port_id.is_(None)
        ),
    },
)


class FloatingIPs:
    """Floating IPs; hosts and the compute service hear where one leads."""

    def __init__(self, db: Database, access: Access, binder: Binder) -> None:
        self._db, self._access, self._binder = db, access, binder
        self.collection = Collection(
            db, access, RESOURCE, "get_floatingip", visible_floating_ips, _render
        )

    def create(self, req: falcon.Request, resp: falcon.Response) -> Row:
        """POST /v2.0/floatingips"""
        items, bulk = schemas.items_of(req, "floatingip", "floatingips")
        ctxt = req.context.ctxt
        if bulk and len(items) > 1:
            raise errors.HTTPBadRequest("Floating IPs are created one by one")
        item = items[0]
        project_id = self._access.owner_of(ctxt, item)
        target = {"project_id": project_id}
        self._access.require(ctxt, "create_floatingip", target)
        if item.get("floating_ip_address"):
            self._access.require(ctxt, "create_floatingip:floating_ip_address", target)
        network, of_network = self._external(ctxt, item["floating_network_id"])
        leads = self._toward(ctxt, item, network["id"])
        floating_id = queries.new_id()
        holder = self._holder(floating_id, item, network, of_network)
        try:
            row = queries.create(
                self._db,
                {
                    "id": floating_id,
                    "project_id": project_id,
                    "description": item.get("description") or "",
                    "floating_network_id": network["id"],
                    "floating_ip_address": holder["fixed_ips"][0]["ip_address"],
                    "floating_port_id": holder["id"],
                    **leads,
                    "tags": sorted(set(item.get("tags") or [])),
                },
            )
        except BaseException:
            port_queries.delete(self._db, holder["id"])
            raise
        self._changed(leads["port_id"])
        return self.collection.answer(ctxt, [row], bulk)

    def update(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/floatingips/{id}"""
        ctxt = req.context.ctxt
        with self._db.reading() as connection:
            floating = self.collection.find(connection, ctxt, id)
        changes = schemas.changes_of(req, "floatingip")
        self._access.require(ctxt, "update_floatingip", floating)
        values: Row = {}
        if changes.get("description") is not None:
            values["description"] = changes["description"]
        if "port_id" in changes or "fixed_ip_address" in changes:
            wanted = {"port_id": floating["port_id"], **changes}
            values |= self._toward(ctxt, wanted, floating["floating_network_id"])
        queries.update(self._db, floating, values)
        self._changed(floating["port_id"], values.get("port_id"))
        with self._db.reading() as connection:
            floating = self.collection.find(connection, ctxt, id)
        return self.collection.answer(ctxt, [floating], bulk=False)

    def delete(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """DELETE /v2.0/floatingips/{id}"""
        ctxt = req.context.ctxt
        with self._db.reading() as connection:
            floating = self.collection.find(connection, ctxt, id)
        self._access.require(ctxt, "delete_floatingip", floating)
        queries.delete(self._db, floating)
        self._changed(floating["port_id"])

    def _external(self, ctxt: RequestContext, network_id: str) -> tuple[Row, list[Row]]:
        with self._db.reading() as connection:
            scope = visible_networks(ctxt, self._access.privileged(ctxt))
            network = network_queries.get(connection, network_id, *scope)
            of_network = subnet_queries.of_network(connection, network_id)
        of_network = [subnet for subnet in of_network if subnet["ip_version"] == 4]
        if not network["external"]:
            raise errors.BadRequest(
                resource="floatingip", msg=f"Network {network_id} is not a valid external network"
            )
        if not of_network:
            raise errors.BadRequest(
                resource="floatingip", msg=f"Network {network_id} does not contain any IPv4 subnet"
            )
        return network, of_network

    def _holder(self, floating_id: str, item: Row, network: Row, of_network: list[Row]) -> Row:
        """The port that holds the address on the external network."""
        wanted = {
            name: item[key]
            for name, key in (("subnet_id", "subnet_id"), ("ip_address", "floating_ip_address"))
            if item.get(key)
        }
        return service_ports.create(
            self._db,
            network,
            of_network,
            cfg.CONF.network.mac_prefix,
            device_id=floating_id,
            device_owner=service_ports.FLOATING_OWNER,
            fixed_ips=[wanted] if wanted else None,
        )

    def _toward(self, ctxt: RequestContext, item: Row, floating_network_id: str) -> Row:
        """Where the request wants it to lead, as columns."""
        port_id = item.get("port_id")
        if not port_id:
            if item.get("fixed_ip_address"):
                raise errors.HTTPBadRequest(
                    "Bad floatingip request: fixed_ip_address cannot be specified without a "
                    "port_id."
                )
            return queries.nowhere()
        with self._db.reading() as connection:
            scope = visible_ports(ctxt, self._access.privileged(ctxt))
            seen = sa.select(ports.c.id).where(ports.c.id == port_id, *scope)
            if not is_id(port_id) or connection.execute(seen).first() is None:
                raise errors.PortNotFound(id=port_id)
            port = port_queries.get(connection, port_id)
            return queries.toward(
                connection, port, item.get("fixed_ip_address"), floating_network_id
            )

    def _changed(self, *port_ids: str | None) -> None:
        """Hosts and servers of these ports learn that addresses came or went."""
        changed = {port_id for port_id in port_ids if port_id}
        if not changed:
            return
        self._binder.refresh()
        with self._db.reading() as connection:
            led = queries.targets(connection, [{"port_id": port_id} for port_id in changed])
        self._binder.addresses_changed(list(led.values()))


def _render(connection: sa.Connection, rows: list[Row], privileged: bool) -> list[Row]:
    led = queries.targets(connection, rows)
    return [views.floating_ip(row, led.get(row["port_id"] or "")) for row in rows]


def routes(handler: FloatingIPs) -> list[Route]:
    path, one = "/v2.0/floatingips", "/v2.0/floatingips/{id}"
    return [
        Route("GET", path, handler.collection.index),
        Route("POST", path, handler.create, status=201),
        Route("GET", one, handler.collection.show),
        Route("PUT", one, handler.update),
        Route("DELETE", one, handler.delete, status=204),
    ]
