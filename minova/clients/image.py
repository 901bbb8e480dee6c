"""The image service, as the core uses it."""

from collections.abc import Iterator
from typing import Any

from minova.clients.session import RestClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.model.instance import ImageMeta

# What GET /v2/images/ID answers besides an image's own properties.
_CORE = frozenset(
    (
        *("id", "name", "status", "disk_format", "container_format", "size", "virtual_size"),
        *("checksum", "os_hash_algo", "os_hash_value", "min_disk", "min_ram", "owner"),
        *("visibility", "direct_url", "locations", "tags", "created_at", "updated_at"),
        *("file", "schema", "self", "protected", "os_hidden", "stores"),
    )
)


class ImageClient:
    """Metadata and bytes of images; `caller` asks with that user's rights."""

    def __init__(self, caller: RequestContext | None = None) -> None:
        self._rest = RestClient("image", "image", "/v2", caller=caller)

    def get(self, image_id: str) -> ImageMeta:
        """An image's metadata; errors.NotFound."""
        return _meta_of(self._rest.get(f"/images/{image_id}"))

    def download(self, image_id: str) -> Iterator[bytes]:
        """The image's bytes, in chunks."""
        return self._rest.stream(f"/images/{image_id}/file")

    def may_use(self, image: ImageMeta, project_id: str) -> bool:
        """Whether a project may launch from `image` (asked again at each use: CVE-2013-4428)."""
        if image.visibility in ("public", "community") or image.owner == project_id:
            return True
        if image.visibility != "shared":
            return False
        try:
            member = self._rest.get(f"/images/{image.id}/members/{project_id}")
        except errors.NotFound:
            return False
        return bool(member.get("status") != "rejected")


def _meta_of(body: dict[str, Any]) -> ImageMeta:
    return ImageMeta(
        id=body["id"],
        name=body.get("name") or "",
        status=body["status"],
        disk_format=body.get("disk_format"),
        container_format=body.get("container_format"),
        size=body.get("size"),
        virtual_size=body.get("virtual_size"),
        checksum=body.get("checksum"),
        os_hash_algo=body.get("os_hash_algo"),
        os_hash_value=body.get("os_hash_value"),
        min_disk_gb=body.get("min_disk") or 0,
        min_ram_mb=body.get("min_ram") or 0,
        owner=body.get("owner"),
        visibility=body.get("visibility") or "private",
        direct_url=body.get("direct_url"),
        properties={k: v for k, v in body.items() if k not in _CORE},
    )
