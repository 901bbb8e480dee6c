"""Volume snapshots with the hypervisor's help: no volume here needs it, so none may ask."""

import json
from typing import NoReturn

import falcon

from minova.api import paging
from minova.api.access import Access
from minova.api.schemas import assisted_snapshots as schemas
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import instances

_PATH = "/v2.1/os-assisted-volume-snapshots"


class AssistedSnapshots:
    """The handlers of /os-assisted-volume-snapshots."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        return [
            Route("POST", _PATH, self.create),
            Route("DELETE", _PATH + "/{snapshot_id}", self.delete, 204),
        ]

    def create(self, req: falcon.Request, resp: falcon.Response) -> NoReturn:
        """POST /os-assisted-volume-snapshots"""
        self._access.check(req, "os-assisted-volume-snapshots:create")
        self._refuse(schemas.CREATE.of(req)["snapshot"]["volume_id"])

    def delete(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> NoReturn:
        """DELETE /os-assisted-volume-snapshots/{snapshot_id}"""
        self._access.check(req, "os-assisted-volume-snapshots:delete")
        try:
            info = json.loads(paging.last(req, "delete_info") or "")
            volume_id = info["volume_id"]
        except (ValueError, KeyError, TypeError):
            raise errors.Invalid("delete_info has to be JSON with a volume_id.") from None
        self._refuse(volume_id)

    def _refuse(self, volume_id: object) -> NoReturn:
        if not instances.has_volume(self._db, str(volume_id)):
            raise errors.Invalid(f"No volume Block Device Mapping with id {str(volume_id)[:64]}.")
        raise errors.Invalid(
            f"Invalid volume: volume {volume_id} is none whose snapshots a hypervisor makes; ask "
            "the volume service for one."
        )
