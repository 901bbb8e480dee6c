"""What a server is made of, checked with its caller's rights: for launches and rebuilds."""

import base64
import binascii
import re
from typing import Any

import falcon

from minova.api.access import Access
from minova.api.validation import is_uuid
from minova.clients.image import ImageClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.db import keypairs
from minova.db.engine import Database
from minova.model.instance import Flavor, ImageMeta

GIB = 1024**3


def image(
    ctxt: RequestContext, reference: str | None, *, missing: str = "Can not find requested image"
) -> ImageMeta | None:
    """The image of an imageRef, an id or an URL that ends in one; None for none. errors.Invalid."""
    image_id = (reference or "").rstrip("/").rpartition("/")[2]
    if not image_id:
        return None
    if not is_uuid(image_id):
        raise errors.Invalid(f"Invalid imageRef provided. {image_id[:64]!r} is not a uuid.")
    try:
        found = ImageClient(ctxt).get(image_id)
    except errors.NotFound:
        raise errors.Invalid(missing) from None
    if found.status != "active":
        raise errors.Invalid(f"Image {image_id} is not active.")
    return found


def fit(access: Access, req: falcon.Request, flavor: Flavor, image: ImageMeta | None) -> None:
    """Whether the flavor is large enough for an image that boots from a local disk."""
    if image is None:
        return
    if flavor.memory_mb < image.min_ram_mb:
        raise errors.Invalid("Flavor's memory is too small for requested image.")
    if flavor.root_gb == 0:
        access.check(req, "servers:create:zero_disk_flavor")
        return
    disk = flavor.root_gb * GIB
    if flavor.root_gb < image.min_disk_gb:
        raise errors.Invalid(
            "Flavor's disk is smaller than the minimum size specified in image metadata. "
            f"Flavor disk is {disk} bytes, minimum size is {image.min_disk_gb * GIB} bytes."
        )
    size = max(image.virtual_size or 0, image.size or 0)
    if size > disk:
        raise errors.Invalid(
            "Flavor's disk is too small for requested image. "
            f"Flavor disk is {disk} bytes, image is {size} bytes."
        )


def key(db: Database, ctxt: RequestContext, name: str | None) -> keypairs.KeyPair | None:
    """The caller's key pair; errors.Invalid."""
    if not name:
        return None
    try:
        return keypairs.get(db, str(ctxt.user_id), name)
    except errors.NotFound:
        raise errors.Invalid("Invalid key_name provided.") from None


def metadata_quota(limits: dict[str, int], metadata: dict[str, str]) -> None:
    """errors.Forbidden when a server may not have that many items."""
    limit = limits["metadata_items"]
    if 0 <= limit < len(metadata):
        raise errors.QuotaExceeded(f"Maximum number of metadata items exceeds {limit}")


def injected_files(
    limits: dict[str, int], asked: list[dict[str, str]] | None
) -> list[dict[str, str]]:
    """The `personality` of a body: path and base64 contents of each file, within the quota.

    errors.Invalid for what is no base64, errors.QuotaExceeded in Nova's words.
    """
    files = asked or []
    if 0 <= limits["injected_files"] < len(files):
        raise errors.QuotaExceeded("Personality file limit exceeded")
    for file in files:
        path, contents = file.get("path", ""), file.get("contents", "")
        try:
            decoded = base64.b64decode(re.sub(r"\s", "", contents), validate=True)
        except (binascii.Error, ValueError):
            raise errors.Invalid(
                f"Personality content for {path[:255]} cannot be decoded: it is not base64."
            ) from None
        most = limits["injected_file_path_bytes"]
        if 0 <= most < len(path.encode()):
            raise errors.QuotaExceeded(f"Personality file path exceeds maximum {most}")
        most = limits["injected_file_content_bytes"]
        if 0 <= most < len(decoded):
            raise errors.QuotaExceeded(f"Personality file content exceeds maximum {most}")
    return [{"path": f.get("path", ""), "contents": f.get("contents", "")} for f in files]


def plain(wanted: dict[str, Any]) -> None:
    """What exists in the API and not here: refused rather than ignored."""
    if wanted.get("trusted_image_certificates"):
        raise errors.Invalid(
            "Image certificates are not validated on this cloud; leave out "
            "trusted_image_certificates."
        )


def user_data(encoded: str | None) -> str | None:
    """`encoded`, if it is base64; errors.Invalid."""
    if encoded is None:
        return None
    try:
        base64.b64decode(re.sub(r"\s", "", encoded), validate=True)
    except (binascii.Error, ValueError):
        raise errors.Invalid(
            "Invalid input for field/attribute user_data. It is not a 'base64'."
        ) from None
    return encoded
