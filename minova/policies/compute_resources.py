"""Policy of server groups, aggregates and the cloud's other resources, by Nova's rule names."""

from collections.abc import Mapping

from minova.common import policy

_MEMBER = policy.PROJECT_MEMBER
_READER = policy.PROJECT_READER
_ADMIN = policy.ADMIN
_ADMIN_OR_SERVICE = policy.ADMIN_OR_SERVICE

_AGGREGATES = "/os-aggregates"
_AGGREGATE = f"{_AGGREGATES}/{{aggregate_id}}"
_USAGE = "/os-simple-tenant-usage"
_AUDIT = "/os-instance_usage_audit_log"
_HOSTS = "/os-hosts"
_ASSISTED = "/os-assisted-volume-snapshots"
_CLASS = "/os-quota-class-sets/{name}"
_GROUPS = "/os-server-groups"
_GROUP = f"{_GROUPS}/{{group_id}}"

# name -> (who may, what it is, METHOD path ...)
RULES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "os-server-groups:index": (_READER, "List server groups", (f"GET {_GROUPS}",)),
    "os-server-groups:index:all_projects": (
        _ADMIN,
        "List the server groups of every project",
        (f"GET {_GROUPS}",),
    ),
    "os-server-groups:create": (_MEMBER, "Create a server group", (f"POST {_GROUPS}",)),
    "os-server-groups:show": (_READER, "Show a server group", (f"GET {_GROUP}",)),
    "os-server-groups:delete": (_MEMBER, "Delete a server group", (f"DELETE {_GROUP}",)),
    "os-quota-class-sets:show": (_ADMIN, "Show the quota of a class", (f"GET {_CLASS}",)),
    "os-quota-class-sets:update": (_ADMIN, "Change the quota of a class", (f"PUT {_CLASS}",)),
    "os-simple-tenant-usage:list": (_ADMIN, "List every project's usage", (f"GET {_USAGE}",)),
    "os-simple-tenant-usage:show": (
        _READER,
        "Show a project's usage",
        (f"GET {_USAGE}/{{project_id}}",),
    ),
    "os-instance-usage-audit-log:list": (_ADMIN, "List the usage audits", (f"GET {_AUDIT}",)),
    "os-instance-usage-audit-log:show": (
        _ADMIN,
        "Show the usage audits before a time",
        (f"GET {_AUDIT}/{{before}}",),
    ),
    "os-hosts:list": (_ADMIN, "List hosts", (f"GET {_HOSTS}",)),
    "os-hosts:show": (_ADMIN, "Show what a host has and who uses it", (f"GET {_HOSTS}/{{host}}",)),
    "os-hosts:update": (
        _ADMIN,
        "Take a host out of service, and back",
        (f"PUT {_HOSTS}/{{host}}",),
    ),
    "os-hosts:start": (_ADMIN, "Switch a host on", (f"GET {_HOSTS}/{{host}}/startup",)),
    "os-hosts:shutdown": (_ADMIN, "Switch a host off", (f"GET {_HOSTS}/{{host}}/shutdown",)),
    "os-hosts:reboot": (_ADMIN, "Reboot a host", (f"GET {_HOSTS}/{{host}}/reboot",)),
    "os-assisted-volume-snapshots:create": (
        _ADMIN_OR_SERVICE,
        "Snapshot a volume with the hypervisor's help",
        (f"POST {_ASSISTED}",),
    ),
    "os-assisted-volume-snapshots:delete": (
        _ADMIN_OR_SERVICE,
        "Delete a snapshot made with the hypervisor's help",
        (f"DELETE {_ASSISTED}/{{snapshot_id}}",),
    ),
    "os-aggregates:index": (_ADMIN, "List host aggregates", (f"GET {_AGGREGATES}",)),
    "os-aggregates:create": (_ADMIN, "Create a host aggregate", (f"POST {_AGGREGATES}",)),
    "os-aggregates:show": (_ADMIN, "Show a host aggregate", (f"GET {_AGGREGATE}",)),
    "os-aggregates:update": (
        _ADMIN,
        "Change a host aggregate's name or availability zone",
        (f"PUT {_AGGREGATE}",),
    ),
    "os-aggregates:delete": (_ADMIN, "Delete a host aggregate", (f"DELETE {_AGGREGATE}",)),
    "os-aggregates:add_host": (
        _ADMIN,
        "Put a host into an aggregate",
        (f"POST {_AGGREGATE}/action",),
    ),
    "os-aggregates:remove_host": (
        _ADMIN,
        "Take a host out of an aggregate",
        (f"POST {_AGGREGATE}/action",),
    ),
    "os-aggregates:set_metadata": (
        _ADMIN,
        "Set or forget metadata of an aggregate",
        (f"POST {_AGGREGATE}/action",),
    ),
    "compute:aggregates:images": (
        _ADMIN,
        "Have an aggregate's hosts fetch images beforehand",
        (f"POST {_AGGREGATE}/images",),
    ),
}
