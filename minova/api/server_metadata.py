"""A server's metadata: words of its owner, which the guest can read."""

from collections.abc import Callable
from typing import Any

import falcon

from minova.api import launch_checks
from minova.api.access import Access
from minova.api.schemas import labels as schemas
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import quotas, server_labels
from minova.model import states
from minova.model.instance import Instance

_MISSING = "Metadata item was not found"


class ServerMetadata:
    """The handlers of /servers/{server_id}/metadata."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        path = "/v2.1/servers/{server_id}/metadata"
        return [
            Route("GET", path, self.index),
            Route("POST", path, self.create),
            Route("PUT", path, self.replace),
            Route("GET", path + "/{key}", self.show),
            Route("PUT", path + "/{key}", self.update),
            Route("DELETE", path + "/{key}", self.delete, 204),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """GET /servers/{server_id}/metadata"""
        instance = self._access.server(req, server_id, "server-metadata:index")
        return {"metadata": instance.metadata}

    def show(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, key: str
    ) -> dict[str, Any]:
        """GET /servers/{server_id}/metadata/{key}"""
        instance = self._access.server(req, server_id, "server-metadata:show")
        if key not in instance.metadata:
            raise errors.NotFound(_MISSING)
        return {"meta": {key: instance.metadata[key]}}

    def create(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """POST /servers/{server_id}/metadata: add to what is there"""
        instance = self._changeable(req, server_id, "server-metadata:create")
        wanted = schemas.METADATA.of(req)["metadata"]
        return {"metadata": self._change(instance, lambda old: {**old, **wanted})}

    def replace(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """PUT /servers/{server_id}/metadata: instead of what is there"""
        instance = self._changeable(req, server_id, "server-metadata:update_all")
        wanted = schemas.METADATA.of(req)["metadata"]
        return {"metadata": self._change(instance, lambda old: dict(wanted))}

    def update(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, key: str
    ) -> dict[str, Any]:
        """PUT /servers/{server_id}/metadata/{key}"""
        instance = self._changeable(req, server_id, "server-metadata:update")
        wanted = schemas.META.of(req)["meta"]
        if key not in wanted:
            raise errors.Invalid("Request body and URI mismatch")
        self._change(instance, lambda old: {**old, **wanted})
        return {"meta": wanted}

    def delete(self, req: falcon.Request, resp: falcon.Response, server_id: str, key: str) -> None:
        """DELETE /servers/{server_id}/metadata/{key}"""
        instance = self._changeable(req, server_id, "server-metadata:delete", "delete metadata")
        if key not in instance.metadata:
            raise errors.NotFound(_MISSING)
        self._change(instance, lambda old: {k: v for k, v in old.items() if k != key})

    def _changeable(
        self, req: falcon.Request, server_id: str, rule: str, word: str = "update metadata"
    ) -> Instance:
        instance = self._access.server(req, server_id, rule)
        check_state(req, instance, "update_metadata", word)
        return instance

    def _change(
        self, instance: Instance, change: Callable[[dict[str, str]], dict[str, str]]
    ) -> dict[str, str]:
        limits = quotas.limits(self._db, instance.project_id)

        def checked(old: dict[str, str]) -> dict[str, str]:
            after = change(old)
            if len(after) > len(old):
                launch_checks.metadata_quota(limits, after)
            return after

        return server_labels.change_metadata(self._db, instance.uuid, checked)


def check_state(req: falcon.Request, instance: Instance, action: str, word: str) -> None:
    """errors.Conflict when the server's state does not allow the action now."""
    refusal = states.refusal(
        states.ACTIONS[action],
        uuid=instance.uuid,
        vm_state=instance.vm_state,
        task_state=instance.task_state,
        launched=instance.launched_at is not None,
        hosted=instance.host is not None,
        locked=instance.locked and "admin" not in (req.context.ctxt.roles or []),
        word=word,
    )
    if refusal:
        raise errors.Conflict(refusal)
