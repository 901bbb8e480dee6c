"""Policy of what stops, pauses, saves and rescues a server, by Nova's rule names."""

from collections.abc import Mapping

from minova.common import policy

_MEMBER, _READER = policy.PROJECT_MEMBER, policy.PROJECT_READER
_ACTION = ("POST /servers/{server_id}/action",)

# name -> (who may, what it is, METHOD path ...)
RULES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "os-pause-server:pause": (_MEMBER, "Pause a server", _ACTION),
    "os-pause-server:unpause": (_MEMBER, "Let a paused server go on", _ACTION),
    "os-suspend-server:suspend": (_MEMBER, "Suspend a server to its host's disk", _ACTION),
    "os-suspend-server:resume": (_MEMBER, "Let a suspended server go on", _ACTION),
    "os-rescue": (_MEMBER, "Rescue a server", _ACTION),
    "os-unrescue": (_MEMBER, "Take a server out of its rescue", _ACTION),
    "os-admin-password": (_MEMBER, "Change the administrator's password in a server", _ACTION),
    "os-server-password:show": (
        _READER,
        "Read the password a server has posted",
        ("GET /servers/{server_id}/os-server-password",),
    ),
    "os-server-password:clear": (
        _MEMBER,
        "Forget the password a server has posted",
        ("DELETE /servers/{server_id}/os-server-password",),
    ),
    "os-server-diagnostics": (
        policy.ADMIN,
        "See what a running server has used",
        ("GET /servers/{server_id}/diagnostics",),
    ),
    "servers:trigger_crash_dump": (_MEMBER, "Have a server dump its memory", _ACTION),
    "os-deferred-delete:restore": (_MEMBER, "Restore a deleted server", _ACTION),
    "os-deferred-delete:force": (_MEMBER, "Delete a server for good", _ACTION),
}
