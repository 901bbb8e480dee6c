"""What the service is and offers: versions, extensions, agents, zones, and what it has not."""

import falcon
import sqlalchemy as sa

from minova.common import wsgi
from minova.common.errors import NotFound
from minova.common.wsgi import Route
from minova.companions.network import errors, views
from minova.companions.network.access import Access
from minova.companions.network.listing import Row, chosen, is_id
from minova.companions.network.queries import agents as agent_queries
from minova.companions.network.tables import agents
from minova.db.engine import Database

_UPDATED = "2026-09-30T00:00:00-00:00"
# Only what is honoured: alias -> (name, description).
EXTENSIONS = {
    "agent": ("agent", "The agents of the hosts."),
    "allowed-address-pairs": ("Allowed Address Pairs", "More addresses for a port."),
    "availability_zone": ("Availability Zone", "The zone of the agents."),
    "binding": ("Port Binding", "The host a port is on."),
    "dns-integration": ("DNS Integration", "Host names of ports."),
    "empty-string-filtering": ("Empty String Filtering Extension", "Filter by an empty value."),
    "ext-gw-mode": ("Neutron L3 Configurable external gateway mode", "The way out of routers."),
    "external-net": ("Neutron external network", "The attribute router:external of networks."),
    "extraroute": ("Neutron Extra Route", "Routes of routers."),
    "extraroute-atomic": ("Atomically add/remove extra routes", "Routes a few at a time."),
    "fip-port-details": ("Floating IP Port Details Extension", "Where a floating IP leads."),
    "filter-validation": ("Filter parameters validation", "Unknown filters are refused."),
    "ip-substring-filtering": ("IP address substring filtering", "Filter ports by address part."),
    "net-mtu": ("Network MTU", "The MTU of networks."),
    "net-mtu-writable": ("Network MTU (writable)", "The MTU of networks can be set."),
    "network_availability_zone": ("Network Availability Zone", "The zone of networks."),
    "pagination": ("Pagination support", "Lists in pages."),
    "port-mac-override": ("Port MAC address override", "The MAC of a port can be set."),
    "port-security": ("Port Security", "Port security of networks and ports."),
    "port-security-groups-filtering": ("Port filtering on security groups", "Ports of a group."),
    "project-id": ("project_id field enabled", "The attribute project_id."),
    "provider": ("Provider Network", "How a network is realized."),
    "quota_details": ("Quota details management support", "Limits with use."),
    "quotas": ("Quota management support", "Limits of projects."),
    "router": ("Neutron L3 Router", "Routers and floating IPs."),
    "security-group": ("security-group", "Security groups and rules."),
    "security-groups-normalized-cidr": (
        "Normalized CIDR field for security group rules",
        "The attribute normalized_cidr.",
    ),
    "sorting": ("Sorting support", "Sorted lists."),
    "standard-attr-description": ("standard-attr-description", "Descriptions."),
    "standard-attr-revisions": ("Resource revision numbers", "Revision numbers."),
    "standard-attr-tag": ("Tag support for resources with standard attribute", "Tags."),
    "standard-attr-timestamp": ("Resource timestamps", "Times of creation and change."),
    "tag-ports-during-bulk-creation": ("Tag Ports During Bulk Creation", "Tags of new ports."),
}
_COLLECTIONS = (
    "networks",
    "subnets",
    "ports",
    "security-groups",
    "security-group-rules",
    "routers",
    "floatingips",
    "quotas",
    "agents",
    "availability_zones",
    "extensions",
)
# Resources this cloud never has: an empty list, and not found.
_ABSENT: tuple[tuple[str, type[NotFound]], ...] = (("subnetpools", errors.SubnetPoolNotFound),)


def versions(req: falcon.Request, resp: falcon.Response) -> Row:
    """GET /"""
    link = {"rel": "self", "href": f"{wsgi.base_url(req)}/v2.0/"}
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}


def resources(req: falcon.Request, resp: falcon.Response) -> Row:
    """GET /v2.0/"""
    base = wsgi.base_url(req)
    return {
        "resources": [
            {
                "name": name.removesuffix("s").replace("-", "_"),
                "collection": name,
                "links": [{"rel": "self", "href": f"{base}/v2.0/{name}"}],
            }
            for name in _COLLECTIONS
        ]
    }


def extensions(req: falcon.Request, resp: falcon.Response) -> Row:
    """GET /v2.0/extensions"""
    return {"extensions": [_extension(alias) for alias in EXTENSIONS]}


def extension(req: falcon.Request, resp: falcon.Response, alias: str) -> Row:
    """GET /v2.0/extensions/{alias}"""
    if alias not in EXTENSIONS:
        raise errors.ExtensionNotFound(id=alias[:64])
    return {"extension": _extension(alias)}


def availability_zones(req: falcon.Request, resp: falcon.Response) -> Row:
    """GET /v2.0/availability_zones"""
    zone = {"name": views.ZONE, "resource": "network", "state": "available"}
    return {"availability_zones": [zone]}


class Agents:
    """The agents that reported."""

    def __init__(self, db: Database, access: Access) -> None:
        self._db, self._access = db, access

    def index(self, req: falcon.Request, resp: falcon.Response) -> Row:
        """GET /v2.0/agents"""
        self._access.require(req.context.ctxt, "get_agent")
        with self._db.reading() as connection:
            rows = connection.execute(sa.select(agents).order_by(agents.c.host)).mappings().all()
        bodies = [views.agent(dict(row)) for row in rows]
        fields = frozenset(req.get_param_as_list("fields") or [])
        for name in ("host", "binary", "agent_type", "id", "alive"):
            wanted = [value.lower() for value in req.get_param_as_list(name) or []]
            bodies = [b for b in bodies if not wanted or str(b[name]).lower() in wanted]
        return {"agents": [chosen(body, fields) for body in bodies]}

    def show(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        """GET /v2.0/agents/{id}"""
        self._access.require(req.context.ctxt, "get_agent")
        if not is_id(id):
            raise errors.AgentNotFound(id=id[:64])
        with self._db.reading() as connection:
            row = connection.execute(sa.select(agents).where(agents.c.id == id)).mappings().first()
        if row is None:
            raise errors.AgentNotFound(id=id[:64])
        return {"agent": views.agent(dict(row))}

    def delete(self, req: falcon.Request, resp: falcon.Response, id: str) -> None:
        """DELETE /v2.0/agents/{id}"""
        self._access.require(req.context.ctxt, "delete_agent")
        if not is_id(id):
            raise errors.AgentNotFound(id=id[:64])
        agent_queries.delete(self._db, id)


class Absent:
    """A resource this cloud never has: clients list it, and find none."""

    def __init__(self, plural: str, not_found: type[NotFound]) -> None:
        self._plural, self._not_found = plural, not_found

    def index(self, req: falcon.Request, resp: falcon.Response) -> Row:
        return {self._plural: []}

    def show(self, req: falcon.Request, resp: falcon.Response, id: str) -> Row:
        raise self._not_found(id=id[:64])


def _extension(alias: str) -> Row:
    name, description = EXTENSIONS[alias]
    return {
        "alias": alias,
        "name": name,
        "description": description,
        "updated": _UPDATED,
        "links": [],
    }


def routes(handler: Agents) -> list[Route]:
    table = [
        Route("GET", "/", versions, public=True),
        Route("GET", "/v2.0", resources, public=True),
        Route("GET", "/v2.0/extensions", extensions),
        Route("GET", "/v2.0/extensions/{alias}", extension),
        Route("GET", "/v2.0/availability_zones", availability_zones),
        Route("GET", "/v2.0/agents", handler.index),
        Route("GET", "/v2.0/agents/{id}", handler.show),
        Route("DELETE", "/v2.0/agents/{id}", handler.delete, status=204),
    ]
    for plural, not_found in _ABSENT:
        absent = Absent(plural, not_found)
        table.append(Route("GET", f"/v2.0/{plural}", absent.index))
        table.append(Route("GET", f"/v2.0/{plural}/{{id}}", absent.show))
    return table
