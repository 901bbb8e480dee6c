"""Policy of nova-api, by Nova's rule names.

Targets carry `project_id` and `user_id` of what is acted on. Whose servers a
request may see at all is decided before, by `PRIVILEGED`: a foreign
project's ids answer 404.
"""

from collections.abc import Mapping

from oslo_policy import policy as oslo_policy

from minova.common import policy
from minova.policies import (
    compute_consoles,
    compute_disks,
    compute_moves,
    compute_power,
    compute_proxies,
    compute_resources,
)

# Sees every project's servers and may act for any project.
PRIVILEGED = "context_is_privileged"

_PREFIX = "os_compute_api:"
_MEMBER = policy.PROJECT_MEMBER
_READER = policy.PROJECT_READER
_ADMIN = policy.ADMIN
_ADMIN_OR_SERVICE = policy.ADMIN_OR_SERVICE
_SERVICE = policy.SERVICE
_ANYONE = policy.ANYONE
_KEY_OWNER = "(role:admin) or user_id:%(user_id)s"

_SERVER = "/servers/{server_id}"
_ACTION = f"POST {_SERVER}/action"

# name -> (who may, what it is, METHOD path ...)
_RULES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "servers:index": (_READER, "List servers", ("GET /servers",)),
    "servers:detail": (_READER, "List servers with details", ("GET /servers/detail",)),
    "servers:index:get_all_tenants": (
        _ADMIN_OR_SERVICE,
        "List the servers of every project",
        ("GET /servers",),
    ),
    "servers:detail:get_all_tenants": (
        _ADMIN_OR_SERVICE,
        "List the servers of every project with details",
        ("GET /servers/detail",),
    ),
    "servers:allow_all_filters": (
        _ADMIN_OR_SERVICE,
        "Filter the list of servers by what is not for everyone",
        ("GET /servers", "GET /servers/detail"),
    ),
    "servers:show": (_READER, "Show a server", (f"GET {_SERVER}",)),
    "servers:show:host_status": (_ADMIN, "See whether a server's host lives", (f"GET {_SERVER}",)),
    "os-extended-server-attributes": (
        _ADMIN,
        "See a server's host, hypervisor and domain name, and filter or sort by them",
        (f"GET {_SERVER}", "GET /servers/detail"),
    ),
    "servers:create": (_MEMBER, "Launch servers", ("POST /servers",)),
    "servers:create:forced_host": (_ADMIN, "Choose a new server's host", ("POST /servers",)),
    "servers:create:requested_destination": (
        _ADMIN,
        "Ask for a new server's host",
        ("POST /servers",),
    ),
    "servers:create:zero_disk_flavor": (
        _ADMIN,
        "Launch with a local disk as large as the image is",
        ("POST /servers",),
    ),
    "servers:update": (_MEMBER, "Rename a server", (f"PUT {_SERVER}",)),
    "servers:delete": (_MEMBER, "Delete a server", (f"DELETE {_SERVER}",)),
    "servers:reboot": (_MEMBER, "Reboot a server", (_ACTION,)),
    "servers:start": (_MEMBER, "Start a server", (_ACTION,)),
    "servers:stop": (_MEMBER, "Stop a server", (_ACTION,)),
    "os-lock-server:lock": (_MEMBER, "Lock a server", (_ACTION,)),
    "os-lock-server:unlock": (_MEMBER, "Unlock a server", (_ACTION,)),
    "os-lock-server:unlock:unlock_override": (
        _ADMIN,
        "Unlock a server that another locked",
        (_ACTION,),
    ),
    "os-admin-actions:reset_state": (_ADMIN, "Set a server's state", (_ACTION,)),
    "os-admin-actions:inject_network_info": (_ADMIN, "Tell a guest of its network", (_ACTION,)),
    "os-admin-actions:reset_network": (_ADMIN, "Reset a guest's network (gone)", (_ACTION,)),
    "os-console-output": (_MEMBER, "Read a server's console", (_ACTION,)),
    "os-security-groups:list": (
        _READER,
        "List a server's security groups",
        (f"GET {_SERVER}/os-security-groups",),
    ),
    "os-security-groups:add": (_MEMBER, "Add a security group to a server", (_ACTION,)),
    "os-security-groups:remove": (_MEMBER, "Take a security group from a server", (_ACTION,)),
    "os-volumes-attachments:index": (
        _READER,
        "List a server's volumes",
        (f"GET {_SERVER}/os-volume_attachments",),
    ),
    "os-volumes-attachments:show": (
        _READER,
        "Show a server's volume",
        (f"GET {_SERVER}/os-volume_attachments/{{volume_id}}",),
    ),
    "os-volumes-attachments:create": (
        _MEMBER,
        "Attach a volume",
        (f"POST {_SERVER}/os-volume_attachments",),
    ),
    "os-volumes-attachments:update": (
        _MEMBER,
        "Change what becomes of an attached volume",
        (f"PUT {_SERVER}/os-volume_attachments/{{volume_id}}",),
    ),
    "os-volumes-attachments:swap": (
        _ADMIN,
        "Put another volume in the place of an attached one",
        (f"PUT {_SERVER}/os-volume_attachments/{{volume_id}}",),
    ),
    "os-volumes-attachments:delete": (
        _MEMBER,
        "Detach a volume",
        (f"DELETE {_SERVER}/os-volume_attachments/{{volume_id}}",),
    ),
    "os-attach-interfaces:list": (
        _READER,
        "List a server's interfaces",
        (f"GET {_SERVER}/os-interface",),
    ),
    "os-attach-interfaces:show": (
        _READER,
        "Show a server's interface",
        (f"GET {_SERVER}/os-interface/{{port_id}}",),
    ),
    "os-instance-actions:list": (
        _READER,
        "List what was done to a server",
        (f"GET {_SERVER}/os-instance-actions",),
    ),
    "os-instance-actions:show": (
        _READER,
        "Show an action on a server",
        (f"GET {_SERVER}/os-instance-actions/{{request_id}}",),
    ),
    "os-instance-actions:events": (
        _ADMIN,
        "See tracebacks, and hosts, of an action's events",
        (f"GET {_SERVER}/os-instance-actions/{{request_id}}",),
    ),
    "os-instance-actions:events:details": (
        _ADMIN,
        "See what exactly went wrong in an action's events",
        (f"GET {_SERVER}/os-instance-actions/{{request_id}}",),
    ),
    "server-metadata:index": (_READER, "List a server's metadata", (f"GET {_SERVER}/metadata",)),
    "server-metadata:show": (
        _READER,
        "Show an item of a server's metadata",
        (f"GET {_SERVER}/metadata/{{key}}",),
    ),
    "server-metadata:create": (_MEMBER, "Add metadata", (f"POST {_SERVER}/metadata",)),
    "server-metadata:update_all": (_MEMBER, "Replace metadata", (f"PUT {_SERVER}/metadata",)),
    "server-metadata:update": (_MEMBER, "Set metadata", (f"PUT {_SERVER}/metadata/{{key}}",)),
    "server-metadata:delete": (_MEMBER, "Delete metadata", (f"DELETE {_SERVER}/metadata/{{key}}",)),
    "os-server-tags:index": (_READER, "List a server's tags", (f"GET {_SERVER}/tags",)),
    "os-server-tags:show": (_READER, "Ask for a server's tag", (f"GET {_SERVER}/tags/{{tag}}",)),
    "os-server-tags:update_all": (_MEMBER, "Replace a server's tags", (f"PUT {_SERVER}/tags",)),
    "os-server-tags:update": (_MEMBER, "Tag a server", (f"PUT {_SERVER}/tags/{{tag}}",)),
    "os-server-tags:delete_all": (_MEMBER, "Untag a server", (f"DELETE {_SERVER}/tags",)),
    "os-server-tags:delete": (_MEMBER, "Delete a tag", (f"DELETE {_SERVER}/tags/{{tag}}",)),
    "compute:server:topology:index": (
        _READER,
        "Show a server's NUMA topology",
        (f"GET {_SERVER}/topology",),
    ),
    "ips:index": (_READER, "List a server's addresses", (f"GET {_SERVER}/ips",)),
    "ips:show": (
        _READER,
        "List a server's addresses in a network",
        (f"GET {_SERVER}/ips/{{label}}",),
    ),
    "flavors:index": (_ANYONE, "List and show flavors", ("GET /flavors", "GET /flavors/detail")),
    "os-flavor-manage:create": (_ADMIN, "Create a flavor", ("POST /flavors",)),
    "os-flavor-manage:update": (_ADMIN, "Describe a flavor", ("PUT /flavors/{flavor_id}",)),
    "os-flavor-manage:delete": (_ADMIN, "Delete a flavor", ("DELETE /flavors/{flavor_id}",)),
    "os-flavor-access": (
        _ADMIN,
        "See who may use a flavor, and private flavors",
        ("GET /flavors/{flavor_id}/os-flavor-access",),
    ),
    "os-flavor-access:add_tenant_access": (
        _ADMIN,
        "Let a project use a flavor",
        ("POST /flavors/{flavor_id}/action",),
    ),
    "os-flavor-access:remove_tenant_access": (
        _ADMIN,
        "No longer let a project use a flavor",
        ("POST /flavors/{flavor_id}/action",),
    ),
    "os-flavor-extra-specs:index": (
        _ANYONE,
        "See a flavor's extra specs",
        ("GET /flavors/{flavor_id}/os-extra_specs",),
    ),
    "os-flavor-extra-specs:create": (
        _ADMIN,
        "Add extra specs",
        ("POST /flavors/{flavor_id}/os-extra_specs",),
    ),
    "os-flavor-extra-specs:update": (
        _ADMIN,
        "Change an extra spec",
        ("PUT /flavors/{flavor_id}/os-extra_specs/{key}",),
    ),
    "os-flavor-extra-specs:delete": (
        _ADMIN,
        "Delete an extra spec",
        ("DELETE /flavors/{flavor_id}/os-extra_specs/{key}",),
    ),
    "os-keypairs:index": (_KEY_OWNER, "List key pairs", ("GET /os-keypairs",)),
    "os-keypairs:show": (_KEY_OWNER, "Show a key pair", ("GET /os-keypairs/{name}",)),
    "os-keypairs:create": (_KEY_OWNER, "Create or import a key pair", ("POST /os-keypairs",)),
    "os-keypairs:delete": (_KEY_OWNER, "Delete a key pair", ("DELETE /os-keypairs/{name}",)),
    "os-availability-zone:list": (
        _ANYONE,
        "List availability zones",
        ("GET /os-availability-zone",),
    ),
    "os-availability-zone:detail": (
        _ADMIN,
        "List availability zones with their hosts",
        ("GET /os-availability-zone/detail",),
    ),
    "os-hypervisors:list": (_ADMIN, "List hypervisors", ("GET /os-hypervisors",)),
    "os-hypervisors:list-detail": (_ADMIN, "Describe hypervisors", ("GET /os-hypervisors/detail",)),
    "os-hypervisors:statistics": (
        _ADMIN,
        "Sum all hypervisors up",
        ("GET /os-hypervisors/statistics",),
    ),
    "os-hypervisors:show": (_ADMIN, "Show a hypervisor", ("GET /os-hypervisors/{id}",)),
    "os-hypervisors:uptime": (
        _ADMIN,
        "Show how long a hypervisor has been up",
        ("GET /os-hypervisors/{id}/uptime",),
    ),
    "os-hypervisors:search": (
        _ADMIN,
        "Find hypervisors by name",
        ("GET /os-hypervisors/{pattern}/search",),
    ),
    "os-hypervisors:servers": (
        _ADMIN,
        "List the servers of hypervisors",
        ("GET /os-hypervisors/{pattern}/servers",),
    ),
    "os-services:list": (_ADMIN, "List services", ("GET /os-services",)),
    "os-services:update": (
        _ADMIN,
        "Enable, disable or force down a service",
        ("PUT /os-services/{service_id}",),
    ),
    "os-services:delete": (_ADMIN, "Forget a service", ("DELETE /os-services/{service_id}",)),
    "limits": (_ANYONE, "Show one's limits", ("GET /limits",)),
    "limits:other_project": (_ADMIN, "Show another project's limits", ("GET /limits",)),
    "os-quota-sets:show": (_READER, "Show a project's quota", ("GET /os-quota-sets/{project_id}",)),
    "os-quota-sets:detail": (
        _READER,
        "Show a project's quota and use",
        ("GET /os-quota-sets/{project_id}/detail",),
    ),
    "os-quota-sets:defaults": (
        _ANYONE,
        "Show the default quota",
        ("GET /os-quota-sets/{project_id}/defaults",),
    ),
    "os-quota-sets:update": (
        _ADMIN,
        "Change a project's quota",
        ("PUT /os-quota-sets/{project_id}",),
    ),
    "os-quota-sets:delete": (
        _ADMIN,
        "Reset a project's quota",
        ("DELETE /os-quota-sets/{project_id}",),
    ),
    "os-server-external-events:create": (
        _SERVICE,
        "Tell of something that happened to a server outside of nova",
        ("POST /os-server-external-events",),
    ),
    "extensions": (_ANYONE, "List extensions", ("GET /extensions",)),
    **compute_consoles.RULES,
    **compute_disks.RULES,
    **compute_moves.RULES,
    **compute_power.RULES,
    **compute_resources.RULES,
    **compute_proxies.RULES,
}


def name(short: str) -> str:
    """The rule's full name: `os_compute_api:servers:show` of `servers:show`."""
    return short if short.startswith("compute:") else _PREFIX + short


def list_rules() -> list[oslo_policy.DocumentedRuleDefault]:
    """All rules of nova-api."""
    rules = [
        oslo_policy.DocumentedRuleDefault(
            PRIVILEGED,
            _ADMIN_OR_SERVICE,
            "See and act on every project's servers",
            [{"method": "GET", "path": "/v2.1/*"}],
        )
    ]
    for short, (check, text, operations) in _RULES.items():
        pairs = [operation.split(" ", 1) for operation in operations]
        rules.append(
            oslo_policy.DocumentedRuleDefault(
                name(short), check, text, [{"method": m, "path": p} for m, p in pairs]
            )
        )
    return rules
