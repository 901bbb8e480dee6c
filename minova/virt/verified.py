"""An image's bytes, proven on the way: size, checksum and format are what was said.

An image is inspected where it is used, whatever the image service did when
it was uploaded: a file with a backing or data file would have QEMU open
files of the host (CVE-2024-32498, CVE-2015-5163), one that lies about its
format would be read as something else (CVE-2024-40767).
"""

import hashlib
from collections.abc import Iterator
from typing import IO, Any, cast

from oslo_utils.imageutils import format_inspector

from minova.common import errors
from minova.model.instance import ImageMeta, Instance
from minova.virt.driver import ImageSource

# The formats guests boot from -> what their bytes may be recognised as.
# `gpt` stands for any partitioned disk, so it is what most raw images are.
FORMATS: dict[str, frozenset[str]] = {
    "raw": frozenset({"raw", "gpt"}),
    "qcow2": frozenset({"qcow2"}),
}
_HASHES = ("sha512", "sha384", "sha256")
_READ_AHEAD = 1024 * 1024
_GIB = 1024**3


def disk_format(image: ImageMeta) -> str:
    """QEMU's name of the image's format; errors.Invalid when guests cannot boot from it."""
    if image.disk_format not in FORMATS:
        raise errors.Invalid(
            f"Image {image.id} has disk format {image.disk_format}, which guests cannot boot "
            "from here; convert it with `qemu-img convert -O qcow2` and upload it again."
        )
    return image.disk_format


def digest_of(image: ImageMeta) -> tuple[str, str]:
    """The algorithm and the value that the image's bytes have to hash to."""
    if image.os_hash_value and image.os_hash_algo in _HASHES:
        algorithm, value = image.os_hash_algo, image.os_hash_value
    elif image.checksum:
        algorithm, value = "md5", image.checksum
    else:
        raise errors.Invalid(
            f"Image {image.id} has no checksum, so it cannot be verified; upload it again."
        )
    if not value.isalnum():
        raise errors.Invalid(f"The checksum of image {image.id} is not a checksum.")
    return algorithm, value.lower()


def chunks(source: ImageSource) -> Iterator[bytes]:
    """The image's bytes as they come; whoever reads to the end knows that they are good.

    Raises errors.Invalid in the place of the end, or as soon as it is clear
    that the image cannot be what it should be.
    """
    image = source.meta
    expected_format = disk_format(image)
    algorithm, expected_digest = digest_of(image)
    digest = hashlib.new(algorithm, usedforsecurity=False)
    inspector = format_inspector.InspectWrapper(cast("IO[bytes]", _blocks(source.chunks())))
    size = 0
    for chunk in inspector:
        size += len(chunk)
        if image.size is not None and size > image.size:
            raise _wrong(image, f"is larger than the {image.size} bytes it should have")
        digest.update(chunk)
        yield chunk
    if image.size is not None and size != image.size:
        raise _wrong(image, f"has {size} bytes instead of {image.size}")
    if digest.hexdigest() != expected_digest:
        raise _wrong(image, f"does not have the {algorithm} checksum it should have")
    _check_format(image, expected_format, inspector)


def check_size(instance: Instance, image: ImageMeta, virtual_size: int) -> None:
    """errors.Invalid when the image's disk does not fit the flavor's (of 0 GiB: any fits)."""
    flavor = instance.flavor
    if flavor.root_gb and virtual_size > flavor.root_gb * _GIB:
        needed = -(-virtual_size // _GIB)
        raise errors.Invalid(
            f"Image {image.id} needs a disk of {needed} GiB, and flavor {flavor.name} has "
            f"{flavor.root_gb} GiB; choose a larger flavor."
        )


def _check_format(image: ImageMeta, expected: str, inspector: Any) -> None:
    try:
        found = inspector.format
    except format_inspector.ImageFormatError:
        raise errors.Invalid(
            f"Image {image.id} looks like several formats at once; it is not used."
        ) from None
    if str(found) not in FORMATS[expected]:
        raise errors.Invalid(
            f"Image {image.id} is {found} and not {expected} as its disk_format says; "
            "create it again with the right disk_format."
        )
    if expected == "raw":
        return  # the bytes are the disk: there is nothing in them that QEMU would follow
    try:
        found.safety_check()
    except format_inspector.SafetyCheckFailed as error:
        failed = ", ".join(sorted(error.failures)).replace("_", " ")
        raise errors.Invalid(
            f"Image {image.id} is not safe to use (checks failed: {failed}); "
            "flatten it with `qemu-img convert` and upload it again."
        ) from None
    except format_inspector.ImageFormatError:
        raise errors.Invalid(f"Image {image.id} is a damaged {expected} file.") from None


def _wrong(image: ImageMeta, what: str) -> errors.Invalid:
    return errors.Invalid(f"The data of image {image.id} {what}; upload the image again.")


def _blocks(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks large enough to inspect and write cheaply."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= _READ_AHEAD:
            yield b"".join(gathered)
            gathered, size = [], 0
    if size:
        yield b"".join(gathered)
