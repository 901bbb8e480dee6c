"""The volume service, as the core uses it: volumes and the attachments API (3.27, 3.44)."""

import json
import logging
import time
from collections.abc import Callable
from typing import Any

from minova.clients.session import RestClient
from minova.common import errors
from minova.common.context import RequestContext

LOG = logging.getLogger(__name__)
# The service tells nobody when a volume is ready: one has to ask, first often, then seldom.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_MAKING = ("creating", "downloading")
_USABLE = ("available", "reserved", "attaching", "in-use")
# The metadata item that says for which server's launch a volume was made.
_MADE_FOR = "launched_with"
_HEADERS = {"OpenStack-API-Version": "volume 3.44"}
# What os-reimage needs.
_NEWER = {"OpenStack-API-Version": "volume 3.68"}


class VolumeClient:
    """Volumes and attachments; `caller` asks with that user's rights."""

    def __init__(self, caller: RequestContext | None = None) -> None:
        self._rest = RestClient("volume", "block-storage", caller=caller, headers=_HEADERS)
        self._newer = RestClient("volume", "block-storage", caller=caller, headers=_NEWER)

    def get(self, volume_id: str) -> dict[str, Any]:
        """A volume as the service shows it; errors.NotFound."""
        found: dict[str, Any] = self._rest.get(f"/volumes/{volume_id}")["volume"]
        return found

    def snapshot(self, snapshot_id: str) -> dict[str, Any]:
        """A snapshot of a volume as the service shows it; errors.NotFound."""
        found: dict[str, Any] = self._rest.get(f"/snapshots/{snapshot_id}")["snapshot"]
        return found

    def create_snapshot(self, volume_id: str, name: str) -> dict[str, Any]:
        """Have a volume copied as it is now, in use or not; it is `creating` for a while.

        errors.Invalid when the volume is neither, errors.TooLarge beyond the quota.
        """
        asked = {"volume_id": volume_id, "name": name, "description": "", "force": True}
        made: dict[str, Any] = self._rest.post("/snapshots", {"snapshot": asked})["snapshot"]
        return made

    def delete_snapshot(self, snapshot_id: str) -> None:
        """Delete a snapshot. Idempotent."""
        self._rest.delete(f"/snapshots/{snapshot_id}")

    def types(self) -> set[str]:
        """The names and ids of the volume types."""
        found = self._rest.get("/types")["volume_types"]
        return {kind[key] for kind in found for key in ("id", "name")}

    def create(
        self,
        *,
        size_gb: int,
        name: str = "",
        image_id: str | None = None,
        snapshot_id: str | None = None,
        volume_type: str | None = None,
        server_id: str | None = None,
    ) -> str:
        """Ask for a new volume of the caller's; its id. It is `creating` for a while.

        `server_id`: whose launch brings it along, for `made_for`. errors.TooLarge
        beyond the quota.
        """
        body: dict[str, Any] = {
            "size": size_gb,
            "name": name,
            "description": "",
            "imageRef": image_id,
            "snapshot_id": snapshot_id,
            "volume_type": volume_type,
        }
        if server_id is not None:
            body["metadata"] = {_MADE_FOR: server_id}
        return str(self._rest.post("/volumes", {"volume": body})["volume"]["id"])

    def wait_until_made(
        self, volume_id: str, seconds: float, cancelled: Callable[[], bool] = lambda: False
    ) -> None:
        """Until a new volume can be attached, or `cancelled` says to give up.

        errors.Invalid when it cannot, or not within `seconds`.
        """
        end, pause = time.monotonic() + seconds, _FIRST_PAUSE
        while not cancelled():
            status = self.get(volume_id)["status"]
            if status not in _MAKING:
                break
            if time.monotonic() > end:
                raise errors.Invalid(
                    f"Volume {volume_id} did not finish being created even after we waited "
                    f"{seconds:.0f} seconds. And its status is {status}."
                )
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        else:
            return
        if status not in _USABLE:
            raise errors.Invalid(
                f"Volume {volume_id} could not be created: its status is {status}. Look at the "
                "volume service, and delete the server and the volume."
            )

    def reimage(self, volume_id: str, image_id: str) -> None:
        """Have a reserved volume made anew from an image; it is `downloading` for a while.

        errors.Invalid when the image does not fit, or the volume is neither
        reserved nor free.
        """
        asked = {"image_id": image_id, "reimage_reserved": True}
        path = f"/volumes/{volume_id}/action"
        self._newer.post(path, {"os-reimage": asked})

    def reserve(self, volume_id: str, instance_uuid: str) -> str:
        """An attachment without a connector: the volume is the instance's from now; its id.

        errors.Invalid or errors.Conflict when the volume is not available.
        """
        body = {"attachment": {"volume_uuid": volume_id, "instance_uuid": instance_uuid}}
        answer = self._rest.post("/attachments", body)
        return str(answer["attachment"]["id"])

    def connect(self, attachment_id: str, host: str, mountpoint: str | None) -> dict[str, Any]:
        """Export the volume to `host`: its connection_info. Idempotent."""
        connector = {"host": host, "mountpoint": mountpoint, "multipath": False}
        answer = self._rest.put(
            f"/attachments/{attachment_id}", {"attachment": {"connector": connector}}
        )
        info: dict[str, Any] = answer["attachment"]["connection_info"]
        return info

    def complete(self, attachment_id: str) -> None:
        """The guest has the volume: it is in use."""
        self._rest.post(f"/attachments/{attachment_id}/action", {"os-complete": None})

    def detach(self, attachment_id: str) -> None:
        """End the attachment and its export. Idempotent."""
        self._rest.delete(f"/attachments/{attachment_id}")

    def attachments(self, instance_uuid: str) -> dict[str, str]:
        """What an instance has reserved or attached: attachment id -> volume id."""
        body = self._rest.get("/attachments", instance_id=instance_uuid, all_tenants=1)
        return {entry["id"]: entry["volume_id"] for entry in body["attachments"]}

    def made_for(self, server_id: str) -> list[str]:
        """The volumes that the launch of a server has asked for."""
        mark = json.dumps({_MADE_FOR: server_id})
        found = self._rest.get("/volumes", all_tenants=1, metadata=mark)["volumes"]
        return [str(volume["id"]) for volume in found]

    def delete(self, volume_id: str) -> None:
        """Delete a volume that nothing uses. Idempotent."""
        self._rest.delete(f"/volumes/{volume_id}")

    def discard(self, volume_id: str, seconds: float = 60) -> None:
        """Delete a volume, also one that is just being made. Idempotent.

        One that has snapshots, or is used elsewhere, stays.
        """
        try:
            self.wait_until_made(volume_id, seconds)
        except errors.Invalid:
            LOG.info("volume %s is deleted although it never was whole", volume_id)
        except errors.NotFound:
            return
        try:
            self.delete(volume_id)
        except (errors.Invalid, errors.Conflict) as error:
            LOG.warning("volume %s is not deleted: %s", volume_id, error.message)
