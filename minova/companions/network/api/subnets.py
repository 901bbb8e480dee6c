"""/v2.0/subnets"""

import ipaddress
from typing import Any

import falcon
import sqlalchemy as sa
from oslo_config import cfg

from minova.common.wsgi import Route
from minova.companions.network import addresses, errors, schemas, views
from minova.companions.network.access import Access, visible_networks, visible_subnets
from minova.companions.network.api.collection import Collection
from minova.companions.network.binding import Binder
from minova.companions.network.listing import Resource, Row, columns_of, tag_filters
from minova.companions.network.queries import networks as network_queries
from minova.companions.network.queries import subnets as queries
from minova.companions.network.tables import subnets
from minova.db.engine import Database

COLUMNS = subnets.c
RESOURCE = Resource(
    "subnet",
    "subnets",
    subnets,
    errors.SubnetNotFound,
    columns=columns_of(
        subnets,
        "network_id",
        "ip_version",
        "cidr",
        "gateway_ip",
        "enable_dhcp",
        "ipv6_ra_mode",
        "ipv6_address_mode",
    ),
    special={
        **tag_filters(COLUMNS.tags),
        "subnetpool_id": lambda values: sa.false(),
        "segment_id": lambda values: sa.false(),
    },
)


class Subnets:
    """Subnets; one that wants DHCP comes to every host at once."""

    def __init__(self, db: Database, access: Access, binder: Binder) -> None:
        self._db, self._access, self._binder = db, access, binder
        self.collection = Collection(db, access, RESOURCE, "get_subnet", visible_subnets, _render)

    def create(self, req: falcon.Request, resp: falcon.Response) -> Row:
        """POST /v2.0/subnets"""
        items, bulk = schemas.items_of(req, "subnet", "subnets")
        ctxt = req.context.ctxt
        values = [self._values(ctxt, item) for item in items]
        rows = queries.create(self._db, values, cfg.CONF.network.mac_prefix)
        self._binder.refresh()
        return self.collection.answer(ctxt, rows, bulk)

    def update(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/subnets/{id}"""
        ctxt = req.context.ctxt
        with self._db.reading() as connection:
            self.collection.find(connection, ctxt, id)
            subnet = queries.get(connection, id)
        changes = _given(schemas.changes_of(req, "subnet"))
        self._access.require(ctxt, "update_subnet", subnet)
        network = ipaddress.ip_network(subnet["cidr"])
        _normalize(changes, network)
        after: Row = {**subnet, **changes}
        if "allocation_pools" in changes or "gateway_ip" in changes:
            addresses.check_gateway_outside_pools(
                after["gateway_ip"],
                after["allocation_pools"],
            )
        _check_dhcp(network, after["enable_dhcp"])
        queries.update(self._db, subnet, changes, cfg.CONF.network.mac_prefix)
        self._binder.refresh()
        with self._db.reading() as connection:
            row = queries.get(connection, id)
        return self.collection.answer(ctxt, [row], bulk=False)

    def delete(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """DELETE /v2.0/subnets/{id}"""
        ctxt = req.context.ctxt
        with self._db.reading() as connection:
            self.collection.find(connection, ctxt, id)
            subnet = queries.get(connection, id)
        self._access.require(ctxt, "delete_subnet", subnet)
        queries.delete(self._db, id)
        self._binder.refresh()

    def _values(self, ctxt: Any, item: Row) -> Row:
        with self._db.reading() as connection:
            parent = network_queries.get(
                connection,
                item["network_id"],
                *visible_networks(ctxt, self._access.privileged(ctxt)),
            )
        project_id = self._access.owner_of(ctxt, item)
        target = {"project_id": project_id, "network:project_id": parent["project_id"]}
        self._access.require(ctxt, "create_subnet", target)
        network = addresses.parse_cidr(item["cidr"], item["ip_version"])
        given = _given(item)
        for mode in ("ipv6_ra_mode", "ipv6_address_mode"):
            if given.get(mode) and network.version == 4:
                raise errors.InvalidInput(reason=f"{mode} is only for subnets of IPv6")
        if given.get("ipv6_address_mode") == "slaac" and network.prefixlen != 64:
            raise errors.InvalidInput(
                reason=f"Invalid CIDR {network} for IPv6 address mode slaac: it must be a /64"
            )
        enable_dhcp = given.get("enable_dhcp", True)
        _check_dhcp(network, enable_dhcp)
        if "gateway_ip" not in given:
            given["gateway_ip"] = addresses.default_gateway(network)
        _normalize(given, network)
        if "allocation_pools" in given:
            addresses.check_gateway_outside_pools(given["gateway_ip"], given["allocation_pools"])
        else:
            given["allocation_pools"] = addresses.default_pools(network, given["gateway_ip"])
        return {
            "name": "",
            "description": "",
            "ipv6_ra_mode": None,
            "ipv6_address_mode": None,
            "dns_nameservers": [],
            "host_routes": [],
            "tags": [],
            **given,
            "enable_dhcp": enable_dhcp,
            "network_id": parent["id"],
            "ip_version": network.version,
            "cidr": str(network),
            "project_id": project_id,
        }


def _render(connection: sa.Connection, rows: list[Row], privileged: bool) -> list[Row]:
    return [views.subnet(row) for row in rows]


def _given(item: Row) -> Row:
    """The given attributes that are columns; null means the default, but for the gateway."""
    found = {
        name: value
        for name, value in item.items()
        if name in COLUMNS and (value is not None or name == "gateway_ip")
    }
    for name in ("project_id", "dhcp_ip"):
        found.pop(name, None)
    if "tags" in found:
        found["tags"] = sorted(set(found["tags"]))
    return found


def _normalize(given: Row, network: addresses.Network) -> None:
    """Check the addresses in `given` and bring them into normal form."""
    if given.get("gateway_ip") is not None:
        given["gateway_ip"] = addresses.check_gateway(given["gateway_ip"], network)
    if "allocation_pools" in given:
        given["allocation_pools"] = addresses.check_pools(given["allocation_pools"], network)
    if "dns_nameservers" in given:
        servers = [str(addresses.parse_ip(ip, "nameserver")) for ip in given["dns_nameservers"]]
        given["dns_nameservers"] = list(dict.fromkeys(servers))
    if "host_routes" in given:
        given["host_routes"] = [_route(route, network) for route in given["host_routes"]]


def _route(route: Row, network: addresses.Network) -> Row:
    try:
        destination = ipaddress.ip_network(route["destination"])
    except ValueError:
        raise errors.InvalidInput(
            reason=f"'{route['destination']}' is not a valid IP subnet for a host route"
        ) from None
    nexthop = addresses.parse_ip(route["nexthop"], "nexthop")
    if not destination.version == nexthop.version == network.version:
        raise errors.InvalidInput(
            reason=f"the host route to {destination} does not match the subnet's ip_version"
        )
    return {"destination": str(destination), "nexthop": str(nexthop)}


def _check_dhcp(network: addresses.Network, enable_dhcp: bool) -> None:
    if enable_dhcp and network.max_prefixlen - network.prefixlen < 2:
        raise errors.InvalidInput(
            reason="Subnet has a prefix length that is incompatible with DHCP service enabled"
        )


def routes(handler: Subnets) -> list[Route]:
    path, one = "/v2.0/subnets", "/v2.0/subnets/{id}"
    return [
        Route("GET", path, handler.collection.index),
        Route("POST", path, handler.create, status=201),
        Route("GET", one, handler.collection.show),
        Route("PUT", one, handler.update),
        Route("DELETE", one, handler.delete, status=204),
    ]
