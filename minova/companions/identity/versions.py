"""The discovery documents `/` and `/v3`, and the groups that this service does not have."""

from typing import Any

import falcon

from minova.common import errors, wsgi
from minova.common.policy import Enforcer
from minova.common.wsgi import Route
from minova.companions.identity.collection import page

# The newest Keystone API whose requests this service understands.
VERSION = {"id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z"}
_MEDIA_TYPES = [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}]


def routes(enforcer: Enforcer) -> list[Route]:
    def list_groups(req: falcon.Request, resp: falcon.Response) -> Any:
        enforcer.authorize(req.context.ctxt, "identity:list_groups")
        return page(req, "groups", [])

    def show_group(req: falcon.Request, resp: falcon.Response, group_id: str) -> Any:
        enforcer.authorize(req.context.ctxt, "identity:list_groups")
        raise errors.NotFound(f"Could not find group: {group_id[:255]}.")

    return [
        Route("GET", "/", list_versions, 300, public=True),
        Route("GET", "/v3", show_version, public=True),
        Route("GET", "/v3/groups", list_groups),
        Route("GET", "/v3/groups/{group_id}", show_group),
    ]


def list_versions(req: falcon.Request, resp: falcon.Response) -> Any:
    resp.set_header("Location", f"{wsgi.base_url(req)}/v3/")
    return {"versions": {"values": [_document(req)]}}


def show_version(req: falcon.Request, resp: falcon.Response) -> Any:
    return {"version": _document(req)}


def _document(req: falcon.Request) -> dict[str, Any]:
    link = {"rel": "self", "href": f"{wsgi.base_url(req)}/v3/"}
    return {**VERSION, "links": [link], "media-types": _MEDIA_TYPES}
