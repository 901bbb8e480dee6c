"""Microversions: what each one changed, and which one a request speaks.

`HISTORY` has a line for every version up to the newest we advertise; a line
names what of it exists here. Handlers look at `req.context.version`, or
stand behind `window`, which hides them outside of their versions.
"""

import functools
import re
from collections.abc import Callable
from typing import Any, TypeVar

import falcon

from minova.common import errors

Version = tuple[int, int]
Handler = TypeVar("Handler", bound=Callable[..., Any])

# Minor version -> what it changed. Resources named "not here" come later;
# they must honour every version of this list from their first day.
HISTORY: dict[int, str] = {
    1: "the base: v2 with strict validation of bodies",
    2: "key pairs have a type; created 201, deleted 204",
    3: "more of a server for admins; delete_on_termination of its volumes",
    4: "fixed IPs could be reserved: they are gone for good",
    5: "anyone may filter servers by ip6",
    6: "remote consoles, for every protocol",
    7: "giving access to a public flavor is a conflict",
    8: "remote consoles know MKS, which no host here has",
    9: "servers show `locked`",
    10: "admins may manage other users' key pairs",
    11: "services can be forced down",
    12: "virtual interfaces showed their network: they are gone for good",
    13: "server groups show their project and user",
    14: "evacuate without shared storage, whose answer has no password",
    15: "server groups with soft policies",
    16: "servers show host_status",
    17: "crash dumps",
    18: "the project id may be left out of URLs",
    19: "servers have a description",
    20: "volumes of shelved servers can be attached and detached",
    21: "actions of deleted servers can be read",
    22: "a live migration can be hurried (none is ever in progress here)",
    23: "a server's live migrations; migrations have a type",
    24: "a live migration can be aborted",
    25: "live migration decides on block migration itself",
    26: "server tags",
    27: "the header OpenStack-API-Version",
    28: "a hypervisor's cpu_info is an object",
    29: "evacuate can be forced",
    30: "live migration can be forced",
    31: "the tokens of all consoles can be looked up",
    32: "tags on requested networks and block devices",
    33: "hypervisors in pages",
    34: "live migration answers before its checks",
    35: "key pairs in pages",
    36: "the proxies to other services are gone; so are their quotas and limits",
    37: "networks have to be said: a list, `auto` or `none`",
    38: "an unknown status filter is refused",
    39: "the proxy of image metadata is gone; maxImageMeta is no limit any more",
    40: "usage in pages",
    41: "aggregates show their uuid",
    42: "tags on requested networks and block devices, again",
    43: "os-hosts is gone",
    44: "fixed and floating IP actions are gone",
    45: "createImage and createBackup answer a body with the image's id",
    46: "X-OpenStack-Request-ID, which is always sent",
    47: "servers embed their flavor",
    48: "diagnostics in one form, whatever the hypervisor",
    49: "tags on attached volumes",
    50: "quota classes show server groups, and the network's quotas no more",
    51: "owners see the events of their actions",
    52: "tags can be given at the launch",
    53: "services and hypervisors are known by uuid",
    54: "a rebuild may change the key pair",
    55: "flavors have a description",
    56: "cold migration to a host of one's choice",
    57: "injected files are gone, with their quotas and limits",
    58: "actions in pages, and since when",
    59: "migrations have a uuid, and come in pages",
    60: "multiattach volumes: a conflict, no driver here has them",
    61: "flavors show their extra specs",
    62: "events show their host",
    63: "trusted image certificates (none is configured here)",
    64: "a server group has one policy, and rules",
    65: "a live migration that waits can be aborted",
    66: "changes-before",
    67: "volume_type of new block devices",
    68: "nothing can be forced to a host any more",
    69: "servers of a cell that is down (there is one cell, and it answers or fails)",
    70: "tags of attached volumes and interfaces are shown",
    71: "servers show their server_groups",
    72: "ports with resource requests",
    73: "locks have a reason",
    74: "admins may ask for a host or a hypervisor",
    75: "a clean-up of odd answers; unknown query parameters are refused",
    76: "power-update events: baremetal only",
    77: "unshelve may name a zone",
    78: "a server's NUMA topology",
    79: "delete_on_termination of attached volumes",
    80: "migrations by user and project",
    81: "the hosts of an aggregate can be told to cache images",
    82: "accelerator events, which no server here waits for",
    83: "more filters for everyone",
    84: "events show details",
    85: "delete_on_termination can be changed",
    86: "extra specs are validated",
    87: "rescue of servers that boot from a volume",
    88: "hypervisors lose the counters; uptime is shown with them",
    89: "attachments lose `id`, and show attachment_id and bdm_uuid",
    90: "the hostname can be chosen and is shown to all",
    91: "unshelve may name a host, and take the tie to a zone away",
    92: "key pairs are only imported; their names may hold '@' and '.'",
    93: "a rebuild makes the volume that a server boots from anew",
    94: "the hostname may be fully qualified",
    95: "evacuated servers stay stopped",
    96: "pinned_availability_zone",
    97: "shares: not here",
    98: "servers show the properties of their image",
    99: "remote consoles know spice-direct, which no host here has; tokens show tls_port",
    100: "servers show their scheduler_hints",
}
MIN: Version = (2, min(HISTORY))
MAX: Version = (2, max(HISTORY))

HEADER = "OpenStack-API-Version"
LEGACY_HEADER = "X-OpenStack-Nova-API-Version"
_FORMAT = re.compile(r"([1-9]\d{0,3})\.([1-9]\d{0,3}|0)")


class NotAcceptable(errors.MinovaError):
    """The version asked for is not one we speak (406)."""

    template = (
        "Version {version} is not supported by the API. "
        "Minimum is {minimum} and maximum is {maximum}."
    )


def text(version: Version) -> str:
    """`2.37` of (2, 37)."""
    return f"{version[0]}.{version[1]}"


def negotiate(req: falcon.Request, resp: falcon.Response) -> None:
    """Find out which version the request speaks, and say so in the answer."""
    resp.set_header("Vary", f"{HEADER}, {LEGACY_HEADER}")
    _answer(req, resp, MIN)
    if not req.context.get("legacy"):
        _answer(req, resp, _requested(req))


def window(since: str, until: str | None = None) -> Callable[[Handler], Handler]:
    """Hide a handler (404) outside of the versions `since` to `until`, both included."""
    low, high = _parse(since), _parse(until) if until else MAX

    def decorate(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def within(self: Any, req: falcon.Request, resp: falcon.Response, **params: str) -> Any:
            if not low <= req.context.version <= high:
                raise errors.NotFound("The resource could not be found.")
            return handler(self, req, resp, **params)

        within.window = (low, high)  # type: ignore[attr-defined]
        return within  # type: ignore[return-value]

    return decorate


def window_of(handler: Callable[..., Any]) -> tuple[Version, Version]:
    """The versions that have this handler, both included."""
    found: tuple[Version, Version] = getattr(handler, "window", (MIN, MAX))
    return found


def _answer(req: falcon.Request, resp: falcon.Response, version: Version) -> None:
    req.context.version = version
    resp.set_header(HEADER, f"compute {text(version)}")
    resp.set_header(LEGACY_HEADER, text(version))


def _requested(req: falcon.Request) -> Version:
    asked = _of_header(req.get_header(HEADER)) or req.get_header(LEGACY_HEADER)
    return parse(asked) if asked else MIN


def parse(asked: str) -> Version:
    """The version that `2.N` or `latest` names; NotAcceptable for one we do not speak."""
    asked = asked.strip()
    if asked == "latest":
        return MAX
    version = _parse(asked)
    if not MIN <= version <= MAX:
        raise NotAcceptable(version=text(version), minimum=text(MIN), maximum=text(MAX))
    return version


def _of_header(value: str | None) -> str | None:
    """`2.37` of `volume 3.0, compute 2.37`."""
    for part in (value or "").split(","):
        words = part.split()
        if words and words[0].lower() == "compute":
            return " ".join(words[1:]) or None
    return None


def _parse(value: str) -> Version:
    match = _FORMAT.fullmatch(value)
    if match is None:
        raise errors.Invalid(
            f"API Version String {value[:64]} is of invalid format. "
            "Must be of format MajorNum.MinorNum."
        )
    return int(match[1]), int(match[2])
