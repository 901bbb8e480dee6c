"""Version documents: which APIs are here, and the microversions of v2.1. No token needed."""

from typing import Any

import falcon

from minova.api.microversions import MAX, MIN, text
from minova.common import wsgi
from minova.common.wsgi import Route

_JSON = "application/json"
# id, path, status, microversions, when the API came to be
_KNOWN = (
    ("v2.0", "/v2/", "DEPRECATED", False, "2011-01-21T11:33:21Z"),
    ("v2.1", "/v2.1/", "CURRENT", True, "2013-07-23T11:33:21Z"),
)


def routes() -> list[Route]:
    """The version documents' lines of the route table."""
    return [
        Route("GET", "/", every, public=True),
        Route("GET", "/v2", old, public=True),
        Route("GET", "/v2.1", current, public=True),
    ]


def every(req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
    """GET /"""
    return {"versions": [_entry(req, *known) for known in _KNOWN]}


def old(req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
    """GET /v2"""
    return _document(req, *_KNOWN[0])


def current(req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
    """GET /v2.1"""
    return _document(req, *_KNOWN[1])


def _entry(
    req: falcon.Request, name: str, path: str, status: str, micro: bool, updated: str
) -> dict[str, Any]:
    return {
        "id": name,
        "status": status,
        "version": text(MAX) if micro else "",
        "min_version": text(MIN) if micro else "",
        "updated": updated,
        "links": [{"rel": "self", "href": wsgi.base_url(req) + path}],
    }


def _document(
    req: falcon.Request, name: str, path: str, status: str, micro: bool, updated: str
) -> dict[str, Any]:
    entry = _entry(req, name, path, status, micro, updated)
    entry["links"].append(
        {
            "rel": "describedby",
            "type": "text/html",
            "href": "https://docs.openstack.org/api-ref/compute/",
        }
    )
    # v2.0 has always named its own media type by the v2 family.
    kind = "2.1" if micro else "2"
    vendor = f"application/vnd.openstack.compute+json;version={kind}"
    entry["media-types"] = [{"base": _JSON, "type": vendor}]
    return {"version": entry}
