"""Policy of what changes a server's size, host or interfaces, by Nova's rule names."""

from collections.abc import Mapping

from minova.common import policy

_MEMBER = policy.PROJECT_MEMBER
_ADMIN = policy.ADMIN
_ACTION = ("POST /servers/{server_id}/action",)
_MIGRATIONS = "/servers/{server_id}/migrations"
_INTERFACE = "/servers/{server_id}/os-interface"

# name -> (who may, what it is, METHOD path ...)
RULES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "servers:resize": (_MEMBER, "Resize a server", _ACTION),
    "servers:confirm_resize": (_MEMBER, "Confirm a server's resize", _ACTION),
    "servers:revert_resize": (_MEMBER, "Take a server's resize back", _ACTION),
    "os-migrate-server:migrate": (_ADMIN, "Migrate a stopped server", _ACTION),
    "os-migrate-server:migrate:host": (_ADMIN, "Choose where it is migrated to", _ACTION),
    "os-migrate-server:migrate_live": (_ADMIN, "Migrate a running server", _ACTION),
    "os-migrate-server:migrate_live:host": (_ADMIN, "Choose where it is migrated to", _ACTION),
    "os-evacuate": (_ADMIN, "Rebuild a server of a host that has failed", _ACTION),
    "os-migrations:index": (_ADMIN, "List migrations", ("GET /os-migrations",)),
    "servers:migrations:index": (
        _ADMIN,
        "List a server's live migrations in progress",
        (f"GET {_MIGRATIONS}",),
    ),
    "servers:migrations:show": (
        _ADMIN,
        "Show a server's live migration in progress",
        (f"GET {_MIGRATIONS}/{{migration_id}}",),
    ),
    "servers:migrations:force_complete": (
        _ADMIN,
        "Have a live migration end soon",
        (f"POST {_MIGRATIONS}/{{migration_id}}/action",),
    ),
    "servers:migrations:delete": (
        _ADMIN,
        "Abort a live migration",
        (f"DELETE {_MIGRATIONS}/{{migration_id}}",),
    ),
    "os-attach-interfaces:create": (_MEMBER, "Attach an interface", (f"POST {_INTERFACE}",)),
    "os-attach-interfaces:delete": (
        _MEMBER,
        "Detach an interface",
        (f"DELETE {_INTERFACE}/{{port_id}}",),
    ),
    "os-multinic:add": (_MEMBER, "Add a fixed IP address to a server", _ACTION),
    "os-multinic:remove": (_MEMBER, "Remove a fixed IP address from a server", _ACTION),
}
