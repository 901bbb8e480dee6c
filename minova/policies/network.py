"""Policy of the network service, by Neutron's rule names.

A rule `<action>_<resource>:<attribute>` is asked when a request sets the
attribute. Targets carry `network:project_id`, the owner of the network a
subnet or port is on. Who may see what is decided by the queries: the own
project's, and what is shared.
"""

from collections.abc import Mapping

from oslo_policy import policy as oslo_policy

from minova.common import policy

# Sees every project's resources and may act for any project.
PRIVILEGED = "context_is_privileged"

_MEMBER = policy.PROJECT_MEMBER
_READER = policy.PROJECT_READER
_ADMIN = policy.ADMIN
_ADMIN_OR_SERVICE = policy.ADMIN_OR_SERVICE
_NETWORK_OWNER = f"({_ADMIN_OR_SERVICE}) or (role:member and project_id:%(network:project_id)s)"

_RULES: Mapping[str, tuple[str, str]] = {
    PRIVILEGED: (_ADMIN_OR_SERVICE, "See and act on every project's resources"),
    "get_network": (_READER, "List and show networks"),
    "create_network": (_MEMBER, "Create a network"),
    "create_network:shared": (_ADMIN, "Share a new network with every project"),
    "create_network:router:external": (_ADMIN, "Create an external network"),
    "create_network:provider": (_ADMIN, "Choose how a network is realized"),
    "update_network": (_MEMBER, "Change a network"),
    "update_network:shared": (_ADMIN, "Share a network with every project"),
    "update_network:router:external": (_ADMIN, "Make a network external"),
    "delete_network": (_MEMBER, "Delete a network"),
    "get_subnet": (_READER, "List and show subnets"),
    "create_subnet": (_NETWORK_OWNER, "Create a subnet"),
    "update_subnet": (_NETWORK_OWNER, "Change a subnet"),
    "delete_subnet": (_NETWORK_OWNER, "Delete a subnet"),
    "get_port": (_READER, "List and show ports"),
    "create_port": (_MEMBER, "Create a port"),
    "create_port:device_owner": (_NETWORK_OWNER, "Create a port owned by `network:*`"),
    "create_port:mac_address": (_NETWORK_OWNER, "Choose a new port's MAC address"),
    "create_port:fixed_ips:ip_address": (_NETWORK_OWNER, "Choose a new port's address"),
    "create_port:port_security_enabled": (_NETWORK_OWNER, "Choose a new port's port security"),
    "create_port:allowed_address_pairs": (_NETWORK_OWNER, "Allow a new port more addresses"),
    "create_port:binding": (_ADMIN_OR_SERVICE, "Bind a new port to a host"),
    "update_port": (_MEMBER, "Change a port"),
    "update_port:device_owner": (_NETWORK_OWNER, "Make a port owned by `network:*`"),
    "update_port:mac_address": (_ADMIN_OR_SERVICE, "Change a port's MAC address"),
    "update_port:fixed_ips:ip_address": (_NETWORK_OWNER, "Choose a port's address"),
    "update_port:port_security_enabled": (_NETWORK_OWNER, "Change a port's port security"),
    "update_port:allowed_address_pairs": (_NETWORK_OWNER, "Allow a port more addresses"),
    "update_port:binding": (_ADMIN_OR_SERVICE, "Bind a port to a host"),
    "delete_port": (_MEMBER, "Delete a port"),
    "get_security_group": (_READER, "List and show security groups and rules"),
    "create_security_group": (_MEMBER, "Create a security group"),
    "update_security_group": (_MEMBER, "Change a security group"),
    "delete_security_group": (_MEMBER, "Delete a security group"),
    "create_security_group_rule": (_MEMBER, "Create a security group rule"),
    "delete_security_group_rule": (_MEMBER, "Delete a security group rule"),
    "get_router": (_READER, "List and show routers"),
    "create_router": (_MEMBER, "Create a router"),
    "create_router:external_gateway_info:external_fixed_ips": (
        _ADMIN,
        "Choose the addresses of a new router's way out",
    ),
    "create_router:external_gateway_info:enable_snat": (
        _ADMIN,
        "Have a new router's subnets seen outside with their own addresses",
    ),
    "update_router": (_MEMBER, "Change a router, its interfaces and its way out"),
    "update_router:external_gateway_info:external_fixed_ips": (
        _ADMIN,
        "Choose the addresses of a router's way out",
    ),
    "update_router:external_gateway_info:enable_snat": (
        _ADMIN,
        "Have a router's subnets seen outside with their own addresses",
    ),
    "delete_router": (_MEMBER, "Delete a router"),
    "get_floatingip": (_READER, "List and show floating IPs"),
    "create_floatingip": (_MEMBER, "Create a floating IP"),
    "create_floatingip:floating_ip_address": (_ADMIN, "Choose a floating IP's address"),
    "update_floatingip": (_MEMBER, "Have a floating IP lead elsewhere"),
    "delete_floatingip": (_MEMBER, "Delete a floating IP"),
    "get_quota": (_READER, "Show a project's network quota"),
    "update_quota": (_ADMIN, "Change or list quotas"),
    "get_agent": (_ADMIN_OR_SERVICE, "List and show network agents"),
    "delete_agent": (_ADMIN, "Forget a network agent"),
}


_METHODS = {"get": "GET", "create": "POST", "update": "PUT", "delete": "DELETE"}
_COLLECTIONS = {"security_group": "security-groups", "security_group_rule": "security-group-rules"}


def list_rules() -> list[oslo_policy.DocumentedRuleDefault]:
    """All rules of the network service."""
    return [
        oslo_policy.DocumentedRuleDefault(name, check, text, _operations(name))
        for name, (check, text) in _RULES.items()
    ]


def _operations(rule: str) -> list[oslo_policy.Operation]:
    """`update_port:binding` is asked by PUT /v2.0/ports/{id}."""
    action, _, rest = rule.partition("_")
    if action not in _METHODS:
        return [{"method": "GET", "path": "/v2.0/*"}]
    resource = rest.partition(":")[0]
    path = f"/v2.0/{_COLLECTIONS.get(resource, resource + 's')}"
    if action in ("update", "delete"):
        path += "/{id}"
    return [{"method": _METHODS[action], "path": path}]
