"""/os-volumes_boot: another name of /servers, for launches from volumes."""

from collections.abc import Iterable
from dataclasses import replace

from minova.common.wsgi import Route

_SERVERS, _ALIAS = "/v2.1/servers", "/v2.1/os-volumes_boot"
# What of a server the other name knows.
ALIASED = ("", "/detail", "/{server_id}", "/{server_id}/action")


def routes(servers: Iterable[Route]) -> list[Route]:
    """The lines of /servers once more, under the other name."""
    return [replace(route, path=named) for route in servers if (named := alias(route.path))]


def alias(path: str) -> str | None:
    """The other name of a path below /servers, if it has one."""
    rest = path.removeprefix(_SERVERS)
    return _ALIAS + rest if path.startswith(_SERVERS) and rest in ALIASED else None
