"""Volumes and snapshots of the volume service, with the field names of the first compute API."""

from typing import Any

import falcon

from minova.api import paging
from minova.api.access import Access
from minova.api.microversions import window
from minova.api.schemas import proxies as schemas
from minova.api.validation import boolean, is_uuid
from minova.api.views import links
from minova.clients.session import RestClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.wsgi import Route

Found = dict[str, Any]


class VolumeProxies:
    """The handlers of /os-volumes and /os-snapshots."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        volumes, snapshots = "/v2.1/os-volumes", "/v2.1/os-snapshots"
        return [
            Route("GET", volumes, self.index),
            Route("GET", volumes + "/detail", self.index),
            Route("POST", volumes, self.create),
            Route("GET", volumes + "/{volume_id}", self.show),
            Route("DELETE", volumes + "/{volume_id}", self.delete, 202),
            Route("GET", snapshots, self.snapshots),
            Route("GET", snapshots + "/detail", self.snapshots),
            Route("POST", snapshots, self.create_snapshot),
            Route("GET", snapshots + "/{snapshot_id}", self.show_snapshot),
            Route("DELETE", snapshots + "/{snapshot_id}", self.delete_snapshot, 202),
        ]

    @window("2.1", "2.35")
    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-volumes, /os-volumes/detail: which have always been the same"""
        client = _volume(self._access.check(req, "os-volumes:list"))
        found = client.get("/volumes/detail")["volumes"]
        return {"volumes": [_shown(volume) for volume in _page(req, found)]}

    @window("2.1", "2.35")
    def show(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> dict[str, Any]:
        """GET /os-volumes/{volume_id}"""
        client = _volume(self._access.check(req, "os-volumes:show"))
        return {"volume": _shown(client.get(_path("volume", volume_id))["volume"])}

    @window("2.1", "2.35")
    def create(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /os-volumes"""
        client = _volume(self._access.check(req, "os-volumes:create"))
        wanted = schemas.VOLUME.of(req)["volume"]
        volume = {
            "size": int(wanted["size"]),
            "name": wanted.get("display_name"),
            "description": wanted.get("display_description"),
            "snapshot_id": wanted.get("snapshot_id"),
            "volume_type": wanted.get("volume_type"),
            "metadata": wanted.get("metadata") or {},
            "availability_zone": wanted.get("availability_zone"),
        }
        made = _over_quota_is_forbidden(client, "/volumes", {"volume": volume})["volume"]
        resp.set_header("Location", links.of(req, f"os-volumes/{made['id']}")[0]["href"])
        return {"volume": _shown(made)}

    @window("2.1", "2.35")
    def delete(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> None:
        """DELETE /os-volumes/{volume_id}"""
        client = _volume(self._access.check(req, "os-volumes:delete"))
        client.remove(_path("volume", volume_id))

    @window("2.1", "2.35")
    def snapshots(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-snapshots, /os-snapshots/detail"""
        client = _volume(self._access.check(req, "os-volumes:snapshots:list"))
        try:
            found = client.get("/snapshots/detail")["snapshots"]
        except errors.NotFound:
            found = []  # a volume service without snapshots
        return {"snapshots": [_shown_snapshot(each) for each in _page(req, found)]}

    @window("2.1", "2.35")
    def show_snapshot(
        self, req: falcon.Request, resp: falcon.Response, snapshot_id: str
    ) -> dict[str, Any]:
        """GET /os-snapshots/{snapshot_id}"""
        client = _volume(self._access.check(req, "os-volumes:snapshots:show"))
        found = client.get(_path("snapshot", snapshot_id))["snapshot"]
        return {"snapshot": _shown_snapshot(found)}

    @window("2.1", "2.35")
    def create_snapshot(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /os-snapshots"""
        client = _volume(self._access.check(req, "os-volumes:snapshots:create"))
        wanted = schemas.SNAPSHOT.of(req)["snapshot"]
        snapshot = {
            "volume_id": wanted["volume_id"],
            "name": wanted.get("display_name"),
            "description": wanted.get("display_description"),
            "force": boolean(wanted.get("force", False)),
        }
        made = _over_quota_is_forbidden(client, "/snapshots", {"snapshot": snapshot})
        return {"snapshot": _shown_snapshot(made["snapshot"])}

    @window("2.1", "2.35")
    def delete_snapshot(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> None:
        """DELETE /os-snapshots/{snapshot_id}"""
        client = _volume(self._access.check(req, "os-volumes:snapshots:delete"))
        client.remove(_path("snapshot", snapshot_id))


def _volume(ctxt: RequestContext) -> RestClient:
    return RestClient("volume", "block-storage", caller=ctxt)


def _path(kind: str, given: str) -> str:
    """The path of one; errors.NotFound for what can be no id, and must not become a path."""
    if not is_uuid(given):
        raise errors.NotFound(f"{kind.capitalize()} {given[:64]} could not be found.")
    return f"/{kind}s/{given}"


def _over_quota_is_forbidden(client: RestClient, path: str, body: Found) -> Found:
    """POST; the volume service says 413 of a quota, where nova-api always said 403."""
    try:
        made: Found = client.post(path, body)
    except errors.TooLarge as error:
        raise errors.QuotaExceeded(error.message) from None
    return made


def _page(req: falcon.Request, found: list[Found]) -> list[Found]:
    offset = paging.offset_of(req)
    return found[offset : offset + paging.limit_of(req)]


def _shown(volume: Found) -> dict[str, Any]:
    return {
        "id": volume["id"],
        "status": volume["status"],
        "size": volume["size"],
        "availabilityZone": volume.get("availability_zone"),
        "createdAt": volume["created_at"],
        "attachments": [_attachment(each) for each in volume.get("attachments", [])[:1]] or [{}],
        "displayName": volume.get("name"),
        "displayDescription": volume.get("description"),
        "volumeType": volume.get("volume_type"),
        "snapshotId": volume.get("snapshot_id"),
        "metadata": volume.get("metadata") or {},
    }


def _attachment(attachment: Found) -> dict[str, Any]:
    shown = {
        "id": attachment["volume_id"],
        "volumeId": attachment["volume_id"],
        "serverId": attachment["server_id"],
    }
    return {**shown, "device": attachment["device"]} if attachment.get("device") else shown


def _shown_snapshot(snapshot: Found) -> dict[str, Any]:
    return {
        "id": snapshot["id"],
        "volumeId": snapshot["volume_id"],
        "status": snapshot["status"],
        "size": snapshot["size"],
        "createdAt": snapshot["created_at"],
        "displayName": snapshot.get("name"),
        "displayDescription": snapshot.get("description"),
    }
