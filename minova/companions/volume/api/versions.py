"""Discovery and microversions: `/`, `/v3`, and the header `OpenStack-API-Version: volume X`."""

import re
from typing import Any

import falcon

from minova.common import errors, wsgi
from minova.common.wsgi import Route

Version = tuple[int, int]
MINIMUM: Version = (3, 0)
# Of what these versions added we have what concerns volumes, attachments and types;
# README.md lists what is missing.
MAXIMUM: Version = (3, 71)
HEADER = "OpenStack-API-Version"
_TYPE = "volume"
_FORMAT = re.compile(r"([1-9]\d{0,2})\.(0|[1-9]\d{0,2})")
_MEDIA_TYPES = [
    {"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}
]


class UnsupportedVersion(errors.MinovaError):
    template = (
        "Version {version} is not supported by the API. "
        "Minimum is {minimum} and maximum is {maximum}."
    )


def routes() -> list[Route]:
    return [
        Route("GET", "/", show_versions, 300, public=True),
        Route("GET", "/v3", show_versions, public=True),
    ]


def show_versions(req: falcon.Request, resp: falcon.Response) -> Any:
    """The same list at both places, as Cinder has it."""
    return {
        "versions": [
            {
                "id": "v3.0",
                "status": "CURRENT",
                "version": text(MAXIMUM),
                "min_version": text(MINIMUM),
                "updated": "2023-08-31T00:00:00Z",
                "links": [{"rel": "self", "href": f"{wsgi.base_url(req)}/v3/"}],
                "media-types": _MEDIA_TYPES,
            }
        ]
    }


def negotiate(req: falcon.Request, resp: falcon.Response) -> None:
    """Settle the request's version, and say it in the answer, whatever that will be."""
    resp.append_header("Vary", HEADER)
    req.context.version = MINIMUM
    resp.set_header(HEADER, f"{_TYPE} {text(MINIMUM)}")
    req.context.version = _asked(req.get_header(HEADER) or "")
    resp.set_header(HEADER, f"{_TYPE} {text(req.context.version)}")


def at_least(req: falcon.Request, version: Version) -> bool:
    """Whether the request's microversion is `version` or newer."""
    asked: Version = req.context.version
    return asked >= version


def require(req: falcon.Request, version: Version) -> None:
    """A route that older microversions do not have: errors.NotFound."""
    if not at_least(req, version):
        raise errors.NotFound(
            f"API version {text(req.context.version)} does not have this; "
            f"ask with '{HEADER}: {_TYPE} {text(version)}' or newer."
        )


def text(version: Version) -> str:
    return f"{version[0]}.{version[1]}"


def _asked(header: str) -> Version:
    """The volume version in a header that may name several services."""
    for part in header.split(","):
        service, _, version = part.strip().partition(" ")
        if service.lower() not in (_TYPE, "block-storage"):
            continue
        version = version.strip()
        if version == "latest":
            return MAXIMUM
        match = _FORMAT.fullmatch(version)
        if match is None:
            raise errors.Invalid(
                f"API Version String {version[:50]} is of invalid format. "
                "Must be of format MajorNum.MinorNum."
            )
        found = (int(match[1]), int(match[2]))
        if not MINIMUM <= found <= MAXIMUM:
            raise UnsupportedVersion(version=version, minimum=text(MINIMUM), maximum=text(MAXIMUM))
        return found
    return MINIMUM
