"""Policy of what nova-api asks other services, by Nova's rule names.

Those services decide again, by the caller's token.
"""

from collections.abc import Mapping

from minova.common import policy

_MEMBER = policy.PROJECT_MEMBER
_READER = policy.PROJECT_READER
_ADMIN = policy.ADMIN
_ANYONE = policy.ANYONE
_ACTION = ("POST /servers/{server_id}/action",)


def _collection(rule: str, path: str, one: str, what: str) -> Mapping[str, tuple[str, str, str]]:
    """List, show, create and delete of a resource."""
    return {
        f"{rule}:list": (_READER, f"List {what}s", f"GET {path}"),
        f"{rule}:show": (_READER, f"Show a {what}", f"GET {path}/{one}"),
        f"{rule}:create": (_MEMBER, f"Create a {what}", f"POST {path}"),
        f"{rule}:delete": (_MEMBER, f"Delete a {what}", f"DELETE {path}/{one}"),
    }


_GROUP = "/os-security-groups/{group_id}"
_SINGLE: Mapping[str, tuple[str, str, str]] = {
    "os-security-groups:get": (_READER, "List security groups", "GET /os-security-groups"),
    "os-security-groups:show": (_READER, "Show a security group", f"GET {_GROUP}"),
    "os-security-groups:create": (
        _MEMBER,
        "Create a security group",
        "POST /os-security-groups",
    ),
    "os-security-groups:update": (_MEMBER, "Rename a security group", f"PUT {_GROUP}"),
    "os-security-groups:delete": (_MEMBER, "Delete a security group", f"DELETE {_GROUP}"),
    "os-security-groups:rule:create": (
        _MEMBER,
        "Add a rule to a security group",
        "POST /os-security-group-rules",
    ),
    "os-security-groups:rule:delete": (
        _MEMBER,
        "Delete a rule of a security group",
        "DELETE /os-security-group-rules/{rule_id}",
    ),
    **_collection("os-floating-ips", "/os-floating-ips", "{floating_id}", "floating IP"),
    "os-floating-ip-pools": (_ANYONE, "List floating IP pools", "GET /os-floating-ip-pools"),
    "os-networks:list": (_READER, "List networks", "GET /os-networks"),
    "os-networks:show": (_READER, "Show a network", "GET /os-networks/{network_id}"),
    "os-tenant-networks:list": (_READER, "List one's networks", "GET /os-tenant-networks"),
    "os-tenant-networks:show": (
        _READER,
        "Show one of one's networks",
        "GET /os-tenant-networks/{network_id}",
    ),
    **_collection("os-volumes", "/os-volumes", "{volume_id}", "volume"),
    **_collection("os-volumes:snapshots", "/os-snapshots", "{snapshot_id}", "snapshot"),
    "os-baremetal-nodes:list": (_ADMIN, "List bare metal nodes", "GET /os-baremetal-nodes"),
    "os-baremetal-nodes:show": (
        _ADMIN,
        "Show a bare metal node",
        "GET /os-baremetal-nodes/{node_id}",
    ),
}

# name -> (who may, what it is, METHOD path ...)
RULES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    **{name: (who, what, (where,)) for name, (who, what, where) in _SINGLE.items()},
    "os-floating-ips:add": (_MEMBER, "Have a floating IP lead to a server", _ACTION),
    "os-floating-ips:remove": (_MEMBER, "Take a floating IP from a server", _ACTION),
}
