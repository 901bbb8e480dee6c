"""Volume snapshots with the hypervisor's help, which no volume here needs.

Whoever asks is answered as Nova does; that nothing came of it the volume
service hears as it would from a hypervisor that cannot.
"""

import json
import logging
from typing import Any

import falcon

from minova.api import paging
from minova.api.access import Access
from minova.api.schemas import assisted_snapshots as schemas
from minova.api.validation import is_uuid
from minova.clients.session import RestClient
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import instances

LOG = logging.getLogger(__name__)
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

    def create(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /os-assisted-volume-snapshots"""
        self._access.check(req, "os-assisted-volume-snapshots:create")
        wanted = schemas.CREATE.of(req)["snapshot"]
        self._check_attached(wanted["volume_id"])
        _tell_failed(wanted["create_info"]["snapshot_id"], "error")
        return {
            "snapshot": {"id": wanted["create_info"].get("id"), "volumeId": wanted["volume_id"]}
        }

    def delete(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> None:
        """DELETE /os-assisted-volume-snapshots/{snapshot_id}"""
        self._access.check(req, "os-assisted-volume-snapshots:delete")
        try:
            info = json.loads(paging.last(req, "delete_info") or "")
            volume_id = info["volume_id"]
        except (ValueError, KeyError, TypeError):
            raise errors.Invalid("delete_info has to be JSON with a volume_id.") from None
        self._check_attached(str(volume_id))
        _tell_failed(snapshot_id, "error_deleting")

    def _check_attached(self, volume_id: str) -> None:
        if not is_uuid(volume_id) or not instances.has_volume(self._db, volume_id):
            raise errors.Invalid(f"No volume Block Device Mapping with id {volume_id[:64]}.")


def _tell_failed(snapshot_id: str, status: str) -> None:
    if not is_uuid(snapshot_id):
        return
    body = {"os-update_snapshot_status": {"status": status, "progress": "0%"}}
    try:
        RestClient("volume", "block-storage").post(f"/snapshots/{snapshot_id}/action", body)
    except errors.MinovaError as error:
        LOG.info("snapshot %s: nobody hears that it failed: %s", snapshot_id, error.message)
