"""The image service, as the core uses it."""

import random
import time
from collections.abc import Callable, Iterator
from typing import Any

from minova.clients.session import RestClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.model.instance import ImageMeta

# What GET /v2/images/ID answers besides an image's own properties.
ATTRIBUTES = frozenset(
    (
        *("id", "name", "status", "disk_format", "container_format", "size", "virtual_size"),
        *("checksum", "os_hash_algo", "os_hash_value", "min_disk", "min_ram", "owner"),
        *("visibility", "direct_url", "locations", "tags", "created_at", "updated_at"),
        *("file", "schema", "self", "protected", "os_hidden", "stores"),
    )
)

_WHOLE = ("active", "deactivated")
_WITHOUT_DATA = ("queued", "saving")
_UPLOAD_PATIENCE = 60
_PAGE = 100


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

    def find(self, **filters: Any) -> list[ImageMeta]:
        """The caller's images that match, newest first."""
        asked = {"sort": "created_at:desc", "limit": _PAGE, **filters}
        found: list[ImageMeta] = []
        while True:
            images = self._rest.get("/images", **asked)["images"]
            found += map(_meta_of, images)
            if len(images) < _PAGE:
                return found
            asked["marker"] = images[-1]["id"]

    def create(self, body: dict[str, Any]) -> ImageMeta:
        """A new image without data (`queued`), the caller's; `body` by the names of the API."""
        return _meta_of(self._rest.post("/images", body))

    def share(self, image_id: str, project_id: str) -> None:
        """Let another project use an image of visibility `shared`."""
        self._rest.post(f"/images/{image_id}/members", {"member": project_id})

    def upload(self, image_id: str, size: int, chunks: Callable[[], Iterator[bytes]]) -> None:
        """The image's data, `size` bytes: it is active then.

        Sent again for a while when the service has no room for one more upload, or
        breaks it off. errors.NotFound when the image has been deleted meanwhile.
        """
        headers = {"Content-Type": "application/octet-stream"}
        end = time.monotonic() + _UPLOAD_PATIENCE
        while True:
            try:
                self._rest.send(f"/images/{image_id}/file", _Body(size, chunks), headers)
                return
            except (errors.Unavailable, errors.Invalid) as error:
                # A service whose image is gone hangs up, so ask.
                status = self.get(image_id).status
                if status in _WHOLE:
                    return
                again = status in _WITHOUT_DATA and not isinstance(error, errors.Invalid)
                if not again or time.monotonic() > end:
                    raise
            time.sleep(random.uniform(0.2, 1.0))

    def delete(self, image_id: str) -> None:
        """Delete an image. Idempotent."""
        self._rest.delete(f"/images/{image_id}")

    def discard(self, image_id: str) -> None:
        """Delete an image whose data never came; one that is whole stays. Idempotent."""
        try:
            unfinished = self.get(image_id).status not in _WHOLE
        except errors.NotFound:
            return
        if unfinished:
            self.delete(image_id)

    def url(self, image_id: str) -> str:
        """Where the service shows an image, as Nova tells its clients."""
        return self._rest.public_url(f"/images/{image_id}")

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


class _Body:
    """The bytes of an upload, which begins anew when the token has run out."""

    def __init__(self, size: int, chunks: Callable[[], Iterator[bytes]]) -> None:
        self._size, self._chunks = size, chunks

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks()


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
        created_at=body.get("created_at") or "",
        properties={k: v for k, v in body.items() if k not in ATTRIBUTES},
    )
