"""The volume service, as the core uses it: volumes and the attachments API (3.27, 3.44)."""

from typing import Any

from minova.clients.session import RestClient
from minova.common.context import RequestContext

_HEADERS = {"OpenStack-API-Version": "volume 3.44"}


class VolumeClient:
    """Volumes and attachments; `caller` asks with that user's rights."""

    def __init__(self, caller: RequestContext | None = None) -> None:
        self._rest = RestClient("volume", "block-storage", caller=caller, headers=_HEADERS)

    def get(self, volume_id: str) -> dict[str, Any]:
        """A volume as the service shows it; errors.NotFound."""
        found: dict[str, Any] = self._rest.get(f"/volumes/{volume_id}")["volume"]
        return found

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

    def delete(self, volume_id: str) -> None:
        """Delete a volume that nothing uses. Idempotent."""
        self._rest.delete(f"/volumes/{volume_id}")
