"""Policy of server groups, aggregates and the cloud's other resources, by Nova's rule names."""

from collections.abc import Mapping

from minova.common import policy

_MEMBER = policy.PROJECT_MEMBER
_READER = policy.PROJECT_READER
_ADMIN = policy.ADMIN

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
}
