"""/v2.0/ports

A POST or PUT that names a host answers when that host is ready for the
port's tap, or says `binding_failed`.
"""

import ipaddress
from typing import Any

import falcon
import sqlalchemy as sa
from oslo_config import cfg

from minova.common.context import RequestContext
from minova.common.wsgi import Route
from minova.companions.network import errors, schemas, views
from minova.companions.network.access import Access, visible_networks, visible_ports
from minova.companions.network.api.collection import Collection
from minova.companions.network.binding import BRIDGE, FAILED, UNBOUND, Binder
from minova.companions.network.listing import Clause, Resource, Row, columns_of, tag_filters
from minova.companions.network.queries import floating_ips as floating_queries
from minova.companions.network.queries import groups as group_queries
from minova.companions.network.queries import interfaces
from minova.companions.network.queries import networks as network_queries
from minova.companions.network.queries import ports as queries
from minova.companions.network.queries import subnets as subnet_queries
from minova.companions.network.queries.service_ports import INTERFACE_OWNER
from minova.companions.network.tables import ip_allocations, port_security_groups, ports
from minova.db.engine import Database

COLUMNS = ports.c


def _by_fixed_ips(values: list[str]) -> Clause:
    """`fixed_ips=ip_address=10.0.0.5`, also `subnet_id=` and `ip_address_substr=`."""
    wanted: dict[str, list[str]] = {}
    for value in values:
        key, _, rest = value.partition("=")
        wanted.setdefault(key, []).append(rest)
    clauses = []
    for key, found in wanted.items():
        if key in ("ip_address", "subnet_id"):
            match: Clause = ip_allocations.c[key].in_(found)
        elif key == "ip_address_substr":
            match = sa.or_(
                *(ip_allocations.c.ip_address.contains(v, autoescape=True) for v in found)
            )
        else:
            raise errors.InvalidInput(reason=f"'{key[:64]}' is not a filter of fixed_ips")
        clauses.append(COLUMNS.id.in_(sa.select(ip_allocations.c.port_id).where(match)))
    return sa.and_(*clauses)


def _by_groups(values: list[str]) -> Clause:
    members = port_security_groups.c
    return COLUMNS.id.in_(sa.select(members.port_id).where(members.security_group_id.in_(values)))


RESOURCE = Resource(
    "port",
    "ports",
    ports,
    errors.PortNotFound,
    columns={
        **columns_of(
            ports,
            "network_id",
            "mac_address",
            "admin_state_up",
            "status",
            "device_id",
            "device_owner",
            "port_security_enabled",
            "dns_name",
        ),
        "binding:host_id": COLUMNS.host,
        "binding:vif_type": COLUMNS.vif_type,
        "binding:vnic_type": COLUMNS.vnic_type,
    },
    special={
        **tag_filters(COLUMNS.tags),
        "fixed_ips": _by_fixed_ips,
        "security_groups": _by_groups,
        "ip_address": lambda values: _by_fixed_ips([f"ip_address={v}" for v in values]),
    },
    admin_only=frozenset(["binding:host_id", "binding:vif_type"]),
)
_BINDING = ("binding:host_id", "binding:profile")
_OF_INTERFACES = {"name", "description", "admin_state_up", "fixed_ips"}
_PLAIN = ("name", "description", "admin_state_up", "device_id", "device_owner", "dns_name")


class Ports:
    """Ports: addresses at once, wiring when they are bound to a host."""

    def __init__(self, db: Database, access: Access, binder: Binder) -> None:
        self._db, self._access, self._binder = db, access, binder
        self.collection = Collection(db, access, RESOURCE, "get_port", visible_ports, self._render)

    def create(self, req: falcon.Request, resp: falcon.Response) -> Row:
        """POST /v2.0/ports"""
        items, bulk = schemas.items_of(req, "port", "ports")
        ctxt = req.context.ctxt
        wanted = [self._request(ctxt, item) for item in items]
        rows = queries.create(self._db, wanted, cfg.CONF.network.mac_prefix)
        for number, request in enumerate(wanted):
            rows[number] = self._binder.created(ctxt, rows[number], request)
        return self._answer(ctxt, rows, bulk)

    def update(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """PUT /v2.0/ports/{id}"""
        ctxt = req.context.ctxt
        with self._db.reading() as connection:
            port = queries.with_parts(connection, [self.collection.find(connection, ctxt, id)])[0]
            network = network_queries.get(connection, port["network_id"])
            subnets = subnet_queries.of_network(connection, port["network_id"])
        changes = schemas.changes_of(req, "port")
        target = {"project_id": port["project_id"], "network:project_id": network["project_id"]}
        self._access.require(ctxt, "update_port", target)
        if queries.is_service_port(port) and not _may_change(port, changes):
            raise errors.ServicePortInUse(id=id, device_owner=port["device_owner"])
        held = frozenset(fixed["ip_address"] for fixed in port["fixed_ips"])
        self._authorize(ctxt, "update_port", changes, target, held)
        values = _values(changes)
        if "host" in values and values["host"] != port["host"]:
            values["status"] = "DOWN"
        elif "host" in values and port["vif_type"] != FAILED:
            values["vif_type"] = port["vif_type"]
        secured = {**port, **values}["port_security_enabled"]
        groups = changes.get("security_groups")
        if groups is None:
            groups = port["security_groups"]
        with self._db.reading() as connection:
            _check_groups(connection, groups, secured, port["project_id"])
            if port["device_owner"] == INTERFACE_OWNER and changes.get("fixed_ips") is not None:
                interfaces.check_change(connection, port, subnets, changes["fixed_ips"])
        request = queries.PortRequest(
            network,
            subnets,
            fixed_ips=changes.get("fixed_ips"),
            security_groups=list(dict.fromkeys(groups)),
        )
        if not queries.is_service_port(port):
            self._check_owner(ctxt, {**port, **values})
        row = queries.update(self._db, id, values, request)
        if queries.is_service_port(row):
            self._binder.refresh()
        return self._answer(ctxt, [self._binder.updated(ctxt, port, row, request)], bulk=False)

    def delete(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """DELETE /v2.0/ports/{id}"""
        ctxt = req.context.ctxt
        with self._db.reading() as connection:
            port = queries.with_parts(connection, [self.collection.find(connection, ctxt, id)])[0]
        self._access.require(ctxt, "delete_port", {"project_id": port["project_id"]})
        if queries.is_service_port(port):
            raise errors.ServicePortInUse(id=id, device_owner=port["device_owner"])
        with self._db.reading() as connection:
            led = floating_queries.of_ports(connection, [id])
            is_gateway = queries.is_gateway(connection, port)
        queries.delete(self._db, id)
        self._binder.deleted(ctxt, port)
        if led or is_gateway:
            self._binder.refresh()

    def _request(self, ctxt: RequestContext, item: Row) -> queries.PortRequest:
        """What the query needs to make the port, once everything was allowed."""
        project_id = self._access.owner_of(ctxt, item)
        scope = visible_networks(ctxt, self._access.privileged(ctxt))
        groups = item.get("security_groups")
        with self._db.reading() as connection:
            network = network_queries.get(connection, item["network_id"], *scope)
            subnets = subnet_queries.of_network(connection, network["id"])
            target = {"project_id": project_id, "network:project_id": network["project_id"]}
            self._access.require(ctxt, "create_port", target)
            self._authorize(ctxt, "create_port", item, target)
            values = {**_DEFAULTS, **_values(item), "project_id": project_id}
            values.setdefault("port_security_enabled", network["port_security_enabled"])
            self._check_owner(ctxt, values)
            secured = values["port_security_enabled"]
            if groups is not None:
                _check_groups(connection, groups, secured, project_id)
            elif not secured or values["device_owner"].startswith("network:"):
                groups = []
            else:
                default = group_queries.find_default(connection, project_id)
                groups = [default] if default else None
        if groups is None:
            groups = [group_queries.ensure_default(self._db, project_id)]
        return queries.PortRequest(
            network,
            subnets,
            mac_address=values.pop("mac_address", None),
            fixed_ips=item.get("fixed_ips"),
            security_groups=list(dict.fromkeys(groups)),
            values=values,
        )

    def _authorize(
        self,
        ctxt: RequestContext,
        rule: str,
        item: Row,
        target: Row,
        held: frozenset[str] = frozenset(),
    ) -> None:
        """The rules for attributes that not every member may set.

        Addresses the port has already (`held`) may be named by anybody.
        """
        named = {fixed.get("ip_address") for fixed in item.get("fixed_ips") or ()}
        asked = {
            "device_owner": (item.get("device_owner") or "").startswith("network:"),
            "mac_address": item.get("mac_address") is not None,
            "fixed_ips:ip_address": bool(named - {None, ""} - held),
            "port_security_enabled": "port_security_enabled" in item,
            "allowed_address_pairs": bool(item.get("allowed_address_pairs")),
            "binding": any(item.get(name) is not None for name in _BINDING),
        }
        for attribute, is_asked in asked.items():
            if is_asked:
                self._access.require(ctxt, f"{rule}:{attribute}", target)

    def _check_owner(self, ctxt: RequestContext, port: Row) -> None:
        """Nobody puts a port onto a router past the router (CVE-2014-0056)."""
        if queries.is_service_port(port) and not self._access.privileged(ctxt):
            raise errors.DeviceIDNotOwnedByTenant(device_id=port["device_id"])

    def _answer(self, ctxt: RequestContext, rows: list[Row], bulk: bool) -> Row:
        privileged = self._access.privileged(ctxt)
        bodies = [views.port(row, cfg.CONF.network.dns_domain, privileged) for row in rows]
        return {"ports": bodies} if bulk else {"port": bodies[0]}

    def _render(self, connection: sa.Connection, rows: list[Row], privileged: bool) -> list[Row]:
        queries.with_parts(connection, rows)
        return [views.port(row, cfg.CONF.network.dns_domain, privileged) for row in rows]


def _may_change(port: Row, changes: Row) -> bool:
    """Of our own ports, only a router's interface is changed, and stays the router's."""
    return port["device_owner"] == INTERFACE_OWNER and set(changes) <= _OF_INTERFACES


def _check_groups(
    connection: sa.Connection, groups: list[str], secured: bool, project_id: str
) -> None:
    if groups and not secured:
        raise errors.PortSecurityAndIPRequiredForSecurityGroups()
    group_queries.check_usable(connection, groups, project_id)


_DEFAULTS: Row = {
    "name": "",
    "description": "",
    "tags": [],
    "admin_state_up": True,
    "status": "DOWN",
    "device_id": "",
    "device_owner": "",
    "allowed_address_pairs": [],
    "dns_name": "",
    "vnic_type": "normal",
    "host": "",
    "vif_type": UNBOUND,
    "profile": {},
}


def _values(item: Row) -> Row:
    """The given attributes as columns."""
    found: Row = {name: item[name] or "" for name in _PLAIN if name in item}
    if "admin_state_up" in item:
        found["admin_state_up"] = item["admin_state_up"]
    if "port_security_enabled" in item:
        found["port_security_enabled"] = item["port_security_enabled"]
    if item.get("tags") is not None:
        found["tags"] = sorted(set(item["tags"]))
    if item.get("mac_address") is not None:
        found["mac_address"] = _mac(item["mac_address"])
    if item.get("allowed_address_pairs") is not None:
        found["allowed_address_pairs"] = [_pair(p) for p in item["allowed_address_pairs"]]
    if item.get("binding:profile") is not None:
        found["profile"] = item["binding:profile"]
    if "binding:host_id" in item:
        found["host"] = item["binding:host_id"] or ""
        found["vif_type"] = BRIDGE if found["host"] else UNBOUND
    return found


def _mac(text: str) -> str:
    mac = text.lower()
    if int(mac[:2], 16) & 1 or mac == "00:00:00:00:00:00":
        raise errors.InvalidInput(reason=f"'{mac}' is not the MAC address of a single interface")
    return mac


def _pair(pair: Row) -> dict[str, Any]:
    try:
        ip = ipaddress.ip_interface(pair["ip_address"])
    except ValueError:
        raise errors.InvalidInput(
            reason=f"'{pair['ip_address']}' is not a valid address of an allowed address pair"
        ) from None
    text = str(ip.network) if "/" in pair["ip_address"] else str(ip.ip)
    mac = pair.get("mac_address")
    return {"ip_address": text, "mac_address": _mac(mac) if mac else None}


def routes(handler: Ports) -> list[Route]:
    path, one = "/v2.0/ports", "/v2.0/ports/{id}"
    return [
        Route("GET", path, handler.collection.index),
        Route("POST", path, handler.create, status=201),
        Route("GET", one, handler.collection.show),
        Route("PUT", one, handler.update),
        Route("DELETE", one, handler.delete, status=204),
    ]
