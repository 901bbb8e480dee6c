"""Images and members as the API shows them."""

import datetime as dt
from typing import Any

from minova.companions.image.records import WITH_DATA, Image, Member


def image(record: Image, direct_url: str | None = None) -> dict[str, Any]:
    """One image; own properties stand beside the core attributes."""
    whole = record.status in WITH_DATA
    path = f"/v2/images/{record.id}"
    body = {
        **record.properties,
        "id": record.id,
        "name": record.name,
        "status": record.status,
        "visibility": record.visibility,
        "owner": record.owner,
        "protected": record.protected,
        "os_hidden": record.hidden,
        "disk_format": record.disk_format,
        "container_format": record.container_format,
        "min_disk": record.min_disk,
        "min_ram": record.min_ram,
        "size": record.size,
        "virtual_size": record.virtual_size if whole else None,
        "checksum": record.checksum if whole else None,
        "os_hash_algo": record.os_hash_algo if whole else None,
        "os_hash_value": record.os_hash_value if whole else None,
        "created_at": _time(record.created_at),
        "updated_at": _time(record.updated_at),
        "tags": record.tags,
        "self": path,
        "file": f"{path}/file",
        "schema": "/v2/schemas/image",
    }
    if direct_url is not None:
        body["direct_url"] = direct_url
    return body


def member(record: Member) -> dict[str, Any]:
    """One membership."""
    return {
        "image_id": record.image_id,
        "member_id": record.project_id,
        "status": record.status,
        "created_at": _time(record.created_at),
        "updated_at": _time(record.updated_at),
        "schema": "/v2/schemas/member",
    }


def _time(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"
