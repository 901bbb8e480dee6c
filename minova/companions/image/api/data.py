"""/v2/images/ID/file, /stage and /import: the bytes of an image."""

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import falcon

from minova.common import errors, wsgi
from minova.companions.image import failures, schemas
from minova.companions.image.access import Access
from minova.companions.image.records import DEACTIVATED, WITH_DATA, Image
from minova.companions.image.store import Store
from minova.companions.image.transfer import Source, Transfers

_OCTETS = "application/octet-stream"
_RANGE = re.compile(r"bytes=(\d{1,18})?-(\d{1,18})?")
BLOCK = 256 * 1024


class Data:
    """Handlers that move bytes; nothing here holds more than one block of an image."""

    def __init__(self, store: Store, access: Access, transfers: Transfers) -> None:
        self._store, self._access, self._transfers = store, access, transfers

    def upload(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        image = self._access.find(req.context.ctxt, image_id, "upload_image")
        self._transfers.upload(image.id, *_body_of(req))

    def stage(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        image = self._access.find(req.context.ctxt, image_id, "upload_image")
        self._transfers.stage(image.id, *_body_of(req))

    def import_(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        image = self._access.find(req.context.ctxt, image_id, "upload_image")
        schemas.check_import(wsgi.body_of(req))
        self._transfers.adopt(image)

    def download(self, req: falcon.Request, resp: falcon.Response, image_id: str) -> None:
        """200 with all, 206 with a part, 204 for an image that has no data yet."""
        ctxt = req.context.ctxt
        image = self._access.find(ctxt, image_id, "download_image")
        if image.status not in WITH_DATA:
            resp.status = 204
            return
        if image.status == DEACTIVATED and not self._access.allows(
            ctxt, "download_deactivated_image", image
        ):
            raise errors.Forbidden(
                f"Image {image_id} has been deactivated; its data cannot be downloaded."
            )
        try:
            file = self._store.open(image_id)
        except FileNotFoundError:
            # Deleted just now, or lost; either way there is nothing to send.
            raise errors.NotFound(f"The data of image {image_id} is not in the store.") from None
        try:
            self._answer(req, resp, image, file)
        except BaseException:
            file.close()
            raise

    def _answer(
        self, req: falcon.Request, resp: falcon.Response, image: Image, file: BinaryIO
    ) -> None:
        size = image.size or 0
        start, end = 0, size
        resp.content_type = _OCTETS
        resp.set_header("Accept-Ranges", "bytes")
        wanted = _range_of(req.get_header("Range"), size)
        if wanted is not None:
            start, end = wanted
            resp.status = 206
            resp.set_header("Content-Range", f"bytes {start}-{end - 1}/{size}")
        elif image.checksum:
            resp.set_header("Content-MD5", image.checksum)
        file.seek(start)
        if wanted is None and "wsgi.file_wrapper" in req.env:
            resp.set_stream(file, size)  # the server may use sendfile
            return
        resp.set_stream(_Blocks(file, end - start), end - start)


class _Blocks:
    """`count` bytes of an open file as an iterable that closes it."""

    def __init__(self, file: BinaryIO, count: int) -> None:
        self._file, self._left = file, count

    def __iter__(self) -> Iterator[bytes]:
        while self._left > 0 and (block := self._file.read(min(BLOCK, self._left))):
            self._left -= len(block)
            yield block

    def close(self) -> None:
        self._file.close()


def _body_of(req: falcon.Request) -> tuple[Source, int | None]:
    """The request's bytes and how many there should be."""
    if (req.content_type or _OCTETS).split(";")[0].strip() != _OCTETS:
        raise errors.UnsupportedMediaType(f"An image's data is sent as {_OCTETS}.")
    announced = _count(req.get_header("X-OpenStack-Image-Size"))
    length = req.content_length
    if announced is not None and length is not None and announced != length:
        raise errors.Invalid(
            f"X-OpenStack-Image-Size says {announced} bytes, Content-Length {length}."
        )
    if length is not None:
        return req.bounded_stream, length
    if "chunked" in (req.get_header("Transfer-Encoding") or "").lower():
        return req.stream, announced
    return req.bounded_stream, announced or 0


def _count(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise errors.Invalid("X-OpenStack-Image-Size must be the data's size in bytes.")
    return int(text)


def _range_of(header: str | None, size: int) -> tuple[int, int] | None:
    """[start, end) of a Range header; None for all. BadRange past the end (RFC 9110, 14.2)."""
    match = _RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[1] is match[2] is None:
        return None  # a form that is not understood is ignored
    if match[1] is None:
        start, end = max(0, size - int(match[2])), size
    else:
        start, end = int(match[1]), size
        if match[2] is not None:
            if int(match[2]) < start:
                return None
            end = min(size, int(match[2]) + 1)
    if start >= end:
        raise failures.BadRange(range=header, size=size)
    return start, end


def info_import(req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
    """GET /v2/info/import."""
    return {
        "import-methods": {
            "description": "Import methods available.",
            "type": "array",
            "value": ["glance-direct"],
        }
    }


def info_stores(req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
    """GET /v2/info/stores: there is one."""
    return {"stores": [{"id": "file", "description": "Local file store", "default": "true"}]}
