"""Volumes and attachments as JSON, by microversion."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import falcon

from minova.common import wsgi
from minova.companions.volume import states
from minova.companions.volume.api.versions import Version, at_least
from minova.companions.volume.records import Attachment, Volume

TYPE_ID = "5f9f8c3e-7d24-4a52-9d0c-6d1c1a3f0b11"
TYPE_NAME = "default"
BACKEND = "minova"

# Fields a microversion added: (since, name, value). A volume has nothing to tell in most.
_ADDED: tuple[tuple[Version, str, Callable[[Volume], Any]], ...] = (
    ((3, 13), "group_id", lambda volume: None),
    ((3, 48), "service_uuid", lambda volume: None),
    ((3, 48), "shared_targets", lambda volume: False),
    ((3, 63), "volume_type_id", lambda volume: TYPE_ID),
    ((3, 65), "consumes_quota", lambda volume: True),
)


@dataclass(frozen=True)
class Viewer:
    """Who looks: `admin` also sees where a volume is."""

    req: falcon.Request
    admin: bool

    def summary(self, volume: Volume) -> dict[str, Any]:
        """The short form, of a list without details."""
        return {"id": volume.id, "name": volume.name, "links": self.links(volume)}

    def created(self, volume: Volume, attachments: Iterable[Attachment] = ()) -> dict[str, Any]:
        """What a create or an update answers."""
        body = {
            **self.summary(volume),
            "description": volume.description,
            "size": volume.size_gb,
            "status": volume.status,
            "attachments": [
                self._attached(attachment)
                for attachment in attachments
                if attachment.status == states.ATTACHED
            ],
            "availability_zone": volume.availability_zone,
            "bootable": str(volume.bootable).lower(),
            "consistencygroup_id": None,
            "created_at": timestamp(volume.created_at),
            "updated_at": timestamp(volume.updated_at),
            "encrypted": False,
            "metadata": metadata(volume),
            "migration_status": None,
            "multiattach": False,
            "replication_status": None,
            "snapshot_id": volume.snapshot_id,
            "source_volid": volume.source_volid,
            "user_id": volume.user_id,
            "volume_type": TYPE_NAME,
        }
        for since, name, value in _ADDED:
            if at_least(self.req, since):
                body[name] = value(volume)
        return body

    def detail(self, volume: Volume, attachments: Iterable[Attachment]) -> dict[str, Any]:
        """Everything."""
        body = self.created(volume, attachments)
        body["os-vol-tenant-attr:tenant_id"] = volume.project_id
        if volume.image_metadata:
            body["volume_image_metadata"] = volume.image_metadata
        if self.admin:
            body["os-vol-host-attr:host"] = f"{volume.host}@{BACKEND}#{BACKEND}"
            body["os-vol-mig-status-attr:migstat"] = None
            body["os-vol-mig-status-attr:name_id"] = None
            if at_least(self.req, (3, 21)):
                body["provider_id"] = None
            if at_least(self.req, (3, 61)):
                body["cluster_name"] = None
        return body

    def links(self, volume: Volume) -> list[dict[str, str]]:
        base, project = wsgi.base_url(self.req), volume.project_id
        return [
            {"rel": "self", "href": f"{base}/v3/{project}/volumes/{volume.id}"},
            {"rel": "bookmark", "href": f"{base}/{project}/volumes/{volume.id}"},
        ]

    def _attached(self, attachment: Attachment) -> dict[str, Any]:
        return {
            "id": attachment.volume_id,
            "attachment_id": attachment.id,
            "volume_id": attachment.volume_id,
            "server_id": attachment.server_id,
            "host_name": attachment.host_name if self.admin else None,
            "device": attachment.mountpoint,
            "attached_at": timestamp(attachment.attached_at),
        }


def attachment_summary(attachment: Attachment) -> dict[str, Any]:
    """The short form of an attachment."""
    return {
        "id": attachment.id,
        "status": attachment.status,
        "instance": attachment.server_id,
        "volume_id": attachment.volume_id,
    }


def attachment_detail(attachment: Attachment, connection_info: dict[str, Any]) -> dict[str, Any]:
    """All of an attachment, with where its export is if the viewer may know."""
    return {
        **attachment_summary(attachment),
        "attached_at": timestamp(attachment.attached_at),
        "detached_at": None,
        "attach_mode": attachment.mode,
        "connection_info": connection_info,
    }


def timestamp(value: dt.datetime | None) -> str | None:
    """Cinder's form: no zone, always microseconds."""
    return value.isoformat(timespec="microseconds") if value else None


def metadata(volume: Volume) -> dict[str, str]:
    """The user's metadata, and the read-only flag among it once it was ever set."""
    if volume.readonly is None:
        return dict(volume.metadata)
    return {**volume.metadata, "readonly": str(volume.readonly)}
