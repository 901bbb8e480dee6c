"""How a client asks for each row of the table of states and actions."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.nova import Nova

# Rows that no request asks for, and why.
UNASKED = {
    "create": "POST /servers makes the server, in BUILDING",
    "delete": "DELETE keeps the server here; forceDelete does the same as a real delete",
}
# What the refusals call a row, where that is not its name.
WORDS = {
    "reboot_hard": "reboot",
    "live-migration": "os-migrateLive",
    "update_metadata": "update metadata",
    "remote_console": "get_vnc_console",
}
# Rows that only administrators may ask for.
ADMIN = {
    *("resetState", "live-migration", "evacuate", "migrate", "swap_volume", "shelveOffload"),
}


@dataclass
class Subject:
    """A server, and what its requests name: another flavor, its volume, one to attach."""

    nova: Nova
    server: str
    flavor: str
    attached: str
    spare: str

    def ask(self, action: str) -> Any:
        """The answer to a request for `action`."""
        method, path, body = REQUESTS[action](self)
        user = "admin" if action in ADMIN else "demo"
        return self.nova.call(method, f"/servers/{self.server}{path}", body, user=user)

    @property
    def port(self) -> str:
        """The id of the newest port."""
        found = self.nova.get(f"/servers/{self.server}/os-interface")["interfaceAttachments"]
        return str(found[-1]["port_id"])


_Request = Callable[[Subject], tuple[str, str, Any]]


def _action(name: str, value: Any = None) -> _Request:
    return lambda subject: ("POST", "/action", {name: value})


REQUESTS: dict[str, _Request] = {
    "softDelete": lambda subject: ("DELETE", "", None),
    "stop": _action("os-stop"),
    "start": _action("os-start"),
    "reboot": _action("reboot", {"type": "SOFT"}),
    "reboot_hard": _action("reboot", {"type": "HARD"}),
    "rescue": _action("rescue", {}),
    "rebuild": lambda s: ("POST", "/action", {"rebuild": {"imageRef": s.nova.image}}),
    "resize": lambda s: ("POST", "/action", {"resize": {"flavorRef": s.flavor}}),
    "live-migration": _action("os-migrateLive", {"host": None, "block_migration": "auto"}),
    "evacuate": _action("evacuate", {}),
    "createImage": _action("createImage", {"name": "walked"}),
    "createBackup": _action(
        "createBackup", {"name": "walked", "backup_type": "daily", "rotation": 1}
    ),
    "changePassword": _action("changePassword", {"adminPass": "n3w"}),
    "attach_volume": lambda s: (
        "POST",
        "/os-volume_attachments",
        {"volumeAttachment": {"volumeId": s.spare}},
    ),
    "detach_volume": lambda s: ("DELETE", f"/os-volume_attachments/{s.attached}", None),
    "swap_volume": lambda s: (
        "PUT",
        f"/os-volume_attachments/{s.attached}",
        {"volumeAttachment": {"volumeId": s.spare}},
    ),
    "attach_interface": lambda s: (
        "POST",
        "/os-interface",
        {"interfaceAttachment": {"net_id": s.nova.network}},
    ),
    "detach_interface": lambda s: ("DELETE", f"/os-interface/{s.port}", None),
    "update_metadata": lambda s: ("POST", "/metadata", {"metadata": {"walked": "yes"}}),
    "addSecurityGroup": _action("addSecurityGroup", {"name": "walked"}),
    "removeSecurityGroup": _action("removeSecurityGroup", {"name": "walked"}),
    "resetState": _action("os-resetState", {"state": "active"}),
    "console_output": _action("os-getConsoleOutput", {}),
    "remote_console": lambda s: (
        "POST",
        "/remote-consoles",
        {"remote_console": {"protocol": "vnc", "type": "novnc"}},
    ),
    **{
        name: _action(name)
        for name in (
            *("pause", "unpause", "suspend", "resume", "unrescue", "migrate", "confirmResize"),
            *("revertResize", "shelve", "shelveOffload", "unshelve", "trigger_crash_dump"),
            *("lock", "unlock", "restore", "forceDelete"),
        )
    },
}
