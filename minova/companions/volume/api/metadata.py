"""/volumes/{id}/metadata: a user's own words about a volume."""

from typing import Any

import falcon

from minova.common import errors
from minova.common.wsgi import Route
from minova.companions.volume.api import schemas
from minova.companions.volume.api.access import Access
from minova.companions.volume.api.views import metadata
from minova.companions.volume.queries import volumes
from minova.companions.volume.records import Volume


class Metadata:
    """Handlers of /volumes/{volume_id}/metadata."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        path = "/v3/volumes/{volume_id}/metadata"
        return [
            Route("GET", path, self.show),
            Route("POST", path, self.add),
            Route("PUT", path, self.replace),
            Route("GET", f"{path}/{{key}}", self.show_item),
            Route("PUT", f"{path}/{{key}}", self.put_item),
            Route("DELETE", f"{path}/{{key}}", self.delete_item),
        ]

    def show(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> Any:
        return {"metadata": metadata(self._volume(req, volume_id, "get"))}

    def add(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> Any:
        volume = self._volume(req, volume_id, "create")
        asked = schemas.body_of(req, schemas.METADATA)["metadata"]
        _check_room({**volume.metadata, **asked})
        volumes.change_metadata(self._access.db, volume.id, asked)
        return {"metadata": asked}

    def replace(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> Any:
        volume = self._volume(req, volume_id, "update")
        asked = schemas.body_of(req, schemas.METADATA)["metadata"]
        return {"metadata": volumes.change_metadata(self._access.db, volume.id, asked, drop=None)}

    def show_item(
        self, req: falcon.Request, resp: falcon.Response, volume_id: str, key: str
    ) -> Any:
        shown = metadata(self._volume(req, volume_id, "get"))
        if key not in shown:
            raise _no_key(volume_id, key)
        return {"meta": {key: shown[key]}}

    def put_item(self, req: falcon.Request, resp: falcon.Response, volume_id: str, key: str) -> Any:
        volume = self._volume(req, volume_id, "update")
        asked = schemas.body_of(req, schemas.META)["meta"]
        if key not in asked:
            raise errors.Invalid("Request body and URI mismatch: they name different keys.")
        _check_room({**volume.metadata, **asked})
        volumes.change_metadata(self._access.db, volume.id, asked)
        return {"meta": asked}

    def delete_item(
        self, req: falcon.Request, resp: falcon.Response, volume_id: str, key: str
    ) -> None:
        volume = self._volume(req, volume_id, "delete")
        if key not in volume.metadata:
            raise _no_key(volume_id, key)
        volumes.change_metadata(self._access.db, volume.id, {}, drop=(key,))

    def _volume(self, req: falcon.Request, volume_id: str, action: str) -> Volume:
        return self._access.volume(req, volume_id, f"volume:{action}_volume_metadata")


def _no_key(volume_id: str, key: str) -> errors.NotFound:
    return errors.NotFound(f"Volume {volume_id} has no metadata with key {key[:255]}.")


def _check_room(metadata: dict[str, str]) -> None:
    if len(metadata) > schemas.MAX_METADATA:
        raise errors.Invalid(f"A volume has at most {schemas.MAX_METADATA} metadata items.")
