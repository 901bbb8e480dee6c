"""Policy of consoles, by Nova's rule names."""

from collections.abc import Mapping

from minova.common import policy

# name -> (who may, what it is, METHOD path ...)
RULES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "os-remote-consoles": (
        policy.PROJECT_MEMBER,
        "Open a server's screen or serial console",
        ("POST /servers/{server_id}/remote-consoles", "POST /servers/{server_id}/action"),
    ),
    "os-console-auth-tokens": (
        policy.ADMIN_OR_SERVICE,
        "Look up what a console's token opens",
        ("GET /os-console-auth-tokens/{token}",),
    ),
}
