"""An image's bytes, proven on the way: size, checksum and format are what was said.

The image service judges what is uploaded; whoever uses an image reads it
through `Proven` and judges again, so that neither a broken store nor a hole
in the first judgement reaches QEMU.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from minova.common import cpus, errors
from minova.common.image_format import ACCEPTED, Inspection

_HASHES = ("sha512", "sha384", "sha256")


@dataclass(frozen=True)
class Claim:
    """What the image service says of an image, by the names of its API; size in bytes."""

    id: str
    disk_format: str | None
    size: int | None
    checksum: str | None
    os_hash_algo: str | None
    os_hash_value: str | None

    def digest(self) -> tuple[str, str]:
        """The algorithm and the value that the bytes have to hash to; errors.Invalid if none."""
        if self.os_hash_value and self.os_hash_algo in _HASHES:
            algorithm, value = self.os_hash_algo, self.os_hash_value
        elif self.checksum:
            algorithm, value = "md5", self.checksum
        else:
            raise errors.Invalid(
                f"Image {self.id} has no checksum, so it cannot be verified; upload it again."
            )
        if not value.isalnum():
            raise errors.Invalid(f"The checksum of image {self.id} is not a checksum.")
        return algorithm, value.lower()


class Proven:
    """The bytes of an image, once: whoever reads to the end knows that they are as claimed.

    Iteration raises errors.Invalid in the place of the end, or as soon as it
    is clear that the image is not what it should be. `virtual_size` is then
    the size of the disk in it, in bytes.
    """

    def __init__(
        self, chunks: Iterable[bytes], claim: Claim, accepted: Collection[str] = ACCEPTED
    ) -> None:
        self.virtual_size = 0
        self._chunks, self._claim = chunks, claim
        self._inspection = Inspection(claim.disk_format, f"Image {claim.id}", accepted)
        self._algorithm, self._expected = claim.digest()

    def __iter__(self) -> Iterator[bytes]:
        digest = hashlib.new(self._algorithm, usedforsecurity=False)
        announced, size = self._claim.size, 0
        with cpus.everywhere():
            for chunk in self._chunks:
                size += len(chunk)
                if announced is not None and size > announced:
                    raise self._wrong(f"is larger than the {announced} bytes it should have")
                self._inspection.feed(chunk)
                digest.update(chunk)
                yield chunk
        if announced is not None and size != announced:
            raise self._wrong(f"has {size} bytes instead of {announced}")
        if digest.hexdigest() != self._expected:
            raise self._wrong(f"does not have the {self._algorithm} checksum it should have")
        self.virtual_size = self._inspection.finish()

    def _wrong(self, what: str) -> errors.Invalid:
        return errors.Invalid(f"The data of image {self._claim.id} {what}; upload the image again.")
