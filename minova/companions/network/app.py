"""The network API as one WSGI app: which URL is answered by what."""

from collections.abc import Callable
from typing import Any

import falcon

from minova.common import auth, errors, wsgi
from minova.common.context import RequestContext
from minova.common.policy import Enforcer
from minova.companions.network.access import Access
from minova.companions.network.api import (
    discovery,
    extra_routes,
    floating_ips,
    networks,
    ports,
    quotas,
    router_interfaces,
    routers,
    security_group_rules,
    security_groups,
    subnets,
    tags,
)
from minova.companions.network.binding import Binder
from minova.db.engine import Database

NAME = "minova-network"
# The `type` of errors that have no name of their own in Neutron.
_TYPES = {
    400: "HTTPBadRequest",
    401: "HTTPUnauthorized",
    403: "PolicyNotAuthorized",
    404: "HTTPNotFound",
    405: "HTTPMethodNotAllowed",
    409: "HTTPConflict",
    413: "HTTPRequestEntityTooLarge",
    415: "HTTPUnsupportedMediaType",
    500: "HTTPInternalServerError",
    501: "HTTPNotImplemented",
    503: "HTTPServiceUnavailable",
}


def routes(db: Database, access: Access, binder: Binder) -> list[wsgi.Route]:
    """The route table."""
    network_handler = networks.Networks(db, access, binder)
    subnet_handler = subnets.Subnets(db, access, binder)
    port_handler = ports.Ports(db, access, binder)
    router_handler = routers.Routers(db, access, binder)
    interface_handler = router_interfaces.RouterInterfaces(db, access, binder, router_handler)
    floating_handler = floating_ips.FloatingIPs(db, access, binder)
    group_handler = security_groups.SecurityGroups(db, access, binder)
    rule_handler = security_group_rules.SecurityGroupRules(db, access, binder)
    table = [
        *discovery.routes(discovery.Agents(db, access)),
        *networks.routes(network_handler),
        *subnets.routes(subnet_handler),
        *ports.routes(port_handler),
        *routers.routes(router_handler),
        *router_interfaces.routes(interface_handler),
        *extra_routes.routes(extra_routes.ExtraRoutes(db, binder, router_handler)),
        *floating_ips.routes(floating_handler),
        *security_groups.routes(group_handler),
        *security_group_rules.routes(rule_handler),
        *quotas.routes(quotas.Quotas(db, access)),
    ]
    for handler, plural in (
        (network_handler, "networks"),
        (subnet_handler, "subnets"),
        (port_handler, "ports"),
        (router_handler, "routers"),
        (floating_handler, "floatingips"),
        (group_handler, "security-groups"),
    ):
        table += tags.routes(tags.Tags(db, access, handler.collection), plural)
    return table


def build(
    db: Database,
    policy: Enforcer,
    binder: Binder,
    authenticate: Callable[[falcon.Request], RequestContext | None] | None = None,
) -> auth.WSGIApp:
    """The app; behind keystonemiddleware unless `authenticate` says who asks."""
    return wsgi.build(
        wsgi.App(
            name=NAME,
            routes=routes(db, Access(policy), binder),
            dialect=_dialect,
            auth=authenticate is None,
            authenticate=authenticate,
        )
    )


def _dialect(status: int, message: str, error: Exception) -> dict[str, Any]:
    named = isinstance(error, errors.MinovaError) and type(error).__module__ != errors.__name__
    kind = type(error).__name__ if named else _TYPES.get(status, "HTTPInternalServerError")
    return {"NeutronError": {"type": kind, "message": message, "detail": ""}}
