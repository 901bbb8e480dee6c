"""Policy of server groups, aggregates and the cloud's other resources, by Nova's rule names."""

from collections.abc import Mapping

from minova.common import policy

_MEMBER = policy.PROJECT_MEMBER
_READER = policy.PROJECT_READER
_ADMIN = policy.ADMIN

_AGGREGATES = "/os-aggregates"
_AGGREGATE = f"{_AGGREGATES}/{{aggregate_id}}"
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
