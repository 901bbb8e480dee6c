"""Tags of servers (2.26)."""

import re
from typing import Any
from urllib.parse import quote

import falcon

from minova.api.access import Access
from minova.api.microversions import window
from minova.api.schemas import labels as schemas
from minova.api.schemas.servers import TAG
from minova.api.views import links
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import server_labels
from minova.model import states
from minova.model.instance import Instance

_MOST = 50


class ServerTags:
    """The handlers of /servers/{server_id}/tags."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        path = "/v2.1/servers/{server_id}/tags"
        return [
            Route("GET", path, self.index),
            Route("PUT", path, self.replace),
            Route("DELETE", path, self.clear, 204),
            Route("GET", path + "/{tag}", self.show, 204),
            Route("PUT", path + "/{tag}", self.add, 201),
            Route("DELETE", path + "/{tag}", self.remove, 204),
        ]

    @window("2.26")
    def index(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """GET /servers/{server_id}/tags"""
        return {"tags": self._access.server(req, server_id, "os-server-tags:index").tags}

    @window("2.26")
    def show(self, req: falcon.Request, resp: falcon.Response, server_id: str, tag: str) -> None:
        """GET /servers/{server_id}/tags/{tag}"""
        if tag not in self._access.server(req, server_id, "os-server-tags:show").tags:
            raise _missing(server_id, tag)

    @window("2.26")
    def replace(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """PUT /servers/{server_id}/tags"""
        instance = self._changeable(req, server_id, "update_all", "update tags")
        wanted = list(dict.fromkeys(schemas.REPLACE_TAGS.of(req)["tags"]))
        return {"tags": server_labels.change_tags(self._db, instance.uuid, lambda old: wanted)}

    @window("2.26")
    def add(self, req: falcon.Request, resp: falcon.Response, server_id: str, tag: str) -> None:
        """PUT /servers/{server_id}/tags/{tag}"""
        instance = self._changeable(req, server_id, "update", "update tag")
        if not re.fullmatch(TAG["pattern"], tag) or len(tag) > TAG["maxLength"]:
            raise errors.Invalid(
                f"Tag '{tag[:64]}' is invalid. It must be at most {TAG['maxLength']} characters "
                "without '/' and ','."
            )
        if tag in instance.tags:
            resp.status = 204
            return
        server_labels.change_tags(self._db, instance.uuid, lambda old: _added(old, tag))
        resp.set_header(
            "Location", links.of(req, f"servers/{instance.uuid}/tags/{quote(tag)}")[0]["href"]
        )

    @window("2.26")
    def remove(self, req: falcon.Request, resp: falcon.Response, server_id: str, tag: str) -> None:
        """DELETE /servers/{server_id}/tags/{tag}"""
        instance = self._changeable(req, server_id, "delete", "delete tag")
        if tag not in instance.tags:
            raise _missing(server_id, tag)
        server_labels.change_tags(
            self._db, instance.uuid, lambda old: [other for other in old if other != tag]
        )

    @window("2.26")
    def clear(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> None:
        """DELETE /servers/{server_id}/tags"""
        instance = self._changeable(req, server_id, "delete_all", "delete tags")
        server_labels.change_tags(self._db, instance.uuid, lambda old: [])

    def _changeable(self, req: falcon.Request, server_id: str, rule: str, word: str) -> Instance:
        """Tags change like metadata, but a lock does not keep them."""
        instance = self._access.server(req, server_id, f"os-server-tags:{rule}")
        if instance.vm_state not in states.ACTIONS["update_metadata"].vm_states:
            raise errors.Conflict(
                f"Cannot '{word}' instance {instance.uuid} while it is in vm_state "
                f"{instance.vm_state}"
            )
        return instance


def _added(old: list[str], tag: str) -> list[str]:
    if tag in old:
        return old
    if len(old) >= _MOST:
        raise errors.Invalid(f"The number of tags exceeded the per-server limit {_MOST}")
    return [*old, tag]


def _missing(server_id: str, tag: str) -> errors.NotFound:
    return errors.NotFound(f"Server {server_id} has no tag '{tag[:64]}'")
