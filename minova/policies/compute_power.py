"""Policy of what stops, pauses, saves and rescues a server, by Nova's rule names."""

from collections.abc import Mapping

from minova.common import policy

_MEMBER = policy.PROJECT_MEMBER
_ACTION = ("POST /servers/{server_id}/action",)

# name -> (who may, what it is, METHOD path ...)
RULES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "os-pause-server:pause": (_MEMBER, "Pause a server", _ACTION),
    "os-pause-server:unpause": (_MEMBER, "Let a paused server go on", _ACTION),
    "os-suspend-server:suspend": (_MEMBER, "Suspend a server to its host's disk", _ACTION),
    "os-suspend-server:resume": (_MEMBER, "Let a suspended server go on", _ACTION),
    "os-rescue": (_MEMBER, "Rescue a server", _ACTION),
    "os-unrescue": (_MEMBER, "Take a server out of its rescue", _ACTION),
    "os-deferred-delete:restore": (_MEMBER, "Restore a deleted server", _ACTION),
    "os-deferred-delete:force": (_MEMBER, "Delete a server for good", _ACTION),
}
