"""/v2.0/networks"""

from typing import Any

import falcon
import sqlalchemy as sa
from oslo_config import cfg

from minova.common.wsgi import Route
from minova.companions.network import errors, schemas, views
from minova.companions.network.access import Access, visible_networks
from minova.companions.network.api.collection import Collection
from minova.companions.network.binding import Binder
from minova.companions.network.listing import Resource, Row, columns_of, tag_filters
from minova.companions.network.queries import networks as queries
from minova.companions.network.tables import networks
from minova.db.engine import Database

COLUMNS = networks.c
RESOURCE = Resource(
    "network",
    "networks",
    networks,
    errors.NetworkNotFound,
    columns={
        **columns_of(
            networks, "admin_state_up", "shared", "mtu", "port_security_enabled", "dns_domain"
        ),
        "router:external": COLUMNS.external,
        "provider:network_type": COLUMNS.network_type,
        "provider:physical_network": COLUMNS.physical_network,
    },
    special={
        **tag_filters(COLUMNS.tags),
        "status": lambda values: COLUMNS.admin_state_up.in_([v == "ACTIVE" for v in values]),
        "is_default": lambda values: sa.false() if "true" in str(values).lower() else sa.true(),
        "provider:segmentation_id": lambda values: sa.false(),
    },
    admin_only=frozenset(["provider:network_type", "provider:physical_network"]),
)
# Attributes that are columns of another name.
_RENAMED = {
    "router:external": "external",
    "provider:network_type": "network_type",
    "provider:physical_network": "physical_network",
}
_GUARDED = ("shared", "router:external")
_PROVIDER = ("provider:network_type", "provider:physical_network", "provider:segmentation_id")
MAX_MTU = 9000


class Networks:
    """Networks; the bridge of one comes to its hosts with its first DHCP subnet or port."""

    def __init__(self, db: Database, access: Access, binder: Binder) -> None:
        self._db, self._access, self._binder = db, access, binder
        self.collection = Collection(
            db, access, RESOURCE, "get_network", visible_networks, self._render
        )

    def create(self, req: falcon.Request, resp: falcon.Response) -> Row:
        """POST /v2.0/networks"""
        items, bulk = schemas.items_of(req, "network", "networks")
        ctxt = req.context.ctxt
        rows = queries.create(self._db, [self._values(ctxt, item) for item in items])
        return self.collection.answer(ctxt, rows, bulk)

    def update(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/networks/{id}"""
        ctxt = req.context.ctxt
        with self._db.reading() as connection:
            network = self.collection.find(connection, ctxt, id)
        changes = schemas.changes_of(req, "network")
        self._access.require(ctxt, "update_network", network)
        for name in _GUARDED:
            if name in changes:
                self._access.require(ctxt, f"update_network:{name}", network)
        queries.update(self._db, network, _columns(changes))
        self._binder.refresh()
        with self._db.reading() as connection:
            network = self.collection.find(connection, ctxt, id)
        return self.collection.answer(ctxt, [network], bulk=False)

    def delete(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """DELETE /v2.0/networks/{id}"""
        with self._db.reading() as connection:
            network = self.collection.find(connection, req.context.ctxt, id)
        self._access.require(req.context.ctxt, "delete_network", network)
        queries.delete(self._db, id)
        self._binder.refresh()

    def _values(self, ctxt: Any, item: Row) -> Row:
        target = {"project_id": self._access.owner_of(ctxt, item)}
        self._access.require(ctxt, "create_network", target)
        for name in _GUARDED:
            if item.get(name):
                self._access.require(ctxt, f"create_network:{name}", target)
        if any(item.get(name) is not None for name in _PROVIDER):
            self._access.require(ctxt, "create_network:provider", target)
        given = _columns(item)
        kind = given.get("network_type") or ("flat" if given.get("physical_network") else "local")
        if kind == "local" and given.get("physical_network"):
            raise errors.InvalidInput(
                reason="provider:physical_network specified for a local network"
            )
        if kind == "flat" and not given.get("physical_network"):
            raise errors.InvalidInput(reason="physical_network required for flat provider network")
        return {
            "name": "",
            "description": "",
            "admin_state_up": True,
            "shared": False,
            "external": False,
            "mtu": cfg.CONF.network.mtu,
            "port_security_enabled": True,
            "dns_domain": "",
            "physical_network": None,
            "nat": True,
            "tags": [],
            **given,
            "network_type": kind,
            **target,
        }

    def _render(self, connection: sa.Connection, rows: list[Row], privileged: bool) -> list[Row]:
        subnets = queries.subnet_ids(connection, [row["id"] for row in rows])
        return [views.network(row, subnets[row["id"]], privileged) for row in rows]


def _columns(item: Row) -> Row:
    """The given attributes as columns; a null means the default and is left out."""
    found = {
        _RENAMED.get(name, name): value
        for name, value in item.items()
        if value is not None and _RENAMED.get(name, name) in COLUMNS
    }
    for name in ("project_id", "tenant_id"):
        found.pop(name, None)
    mtu = int(found.pop("mtu", 0))
    if mtu:
        if not 576 <= mtu <= MAX_MTU:
            raise errors.InvalidInput(
                reason=f"Requested MTU {mtu} is not possible, it must be 576 to {MAX_MTU}"
            )
        found["mtu"] = mtu
    if "tags" in found:
        found["tags"] = sorted(set(found["tags"]))
    return found


def routes(handler: Networks) -> list[Route]:
    path, one = "/v2.0/networks", "/v2.0/networks/{id}"
    return [
        Route("GET", path, handler.collection.index),
        Route("POST", path, handler.create, status=201),
        Route("GET", one, handler.collection.show),
        Route("PUT", one, handler.update),
        Route("DELETE", one, handler.delete, status=204),
    ]
