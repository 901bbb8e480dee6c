"""Is a disk image what it claims to be, and is it safe? Decided while the bytes stream by.

Asked wherever an image's data comes in: at its upload, and again before it
is used by a host or becomes a volume, whatever was decided before. oslo.utils'
format inspectors read the headers of ten formats at once; no external program
ever opens data that was not judged here. What is refused never reaches QEMU:
files that refer to other files (CVE-2015-1851, CVE-2024-32498), formats that
lie (CVE-2024-40767), VMDK (CVE-2022-47951).
"""

from collections.abc import Collection
from typing import IO, cast

from oslo_utils.imageutils import format_inspector

from minova.common import errors

# disk_format -> the sets of formats its bytes may look like. A whole disk or
# a boot sector shows as `gpt` (which means GPT or MBR), with or without an
# ISO around it.
_RAW = (frozenset({"raw"}), frozenset({"gpt"}))
ACCEPTED: dict[str, tuple[frozenset[str], ...]] = {
    "raw": _RAW,
    "ami": _RAW,
    "ari": _RAW,
    "aki": _RAW,
    "iso": (frozenset({"iso"}), frozenset({"iso", "gpt"})),
    "qcow2": (frozenset({"qcow2"}),),
    "vdi": (frozenset({"vdi"}),),
    "vhd": (frozenset({"vhd"}),),
    "vhdx": (frozenset({"vhdx"}),),
}
# A failed check of an inspector -> what the user is told.
_REASONS = {
    "backing_file": "it has a backing file; flatten it with `qemu-img convert`",
    "data_file": "it has an external data file; convert it to one file with `qemu-img convert`",
    "unknown_features": "its qcow2 header has features that are not known here",
}
_SECTOR = 512
# An inspector judges by what it sees first, so it sees this much at once.
_FIRST = 256 * 1024
_PARTITIONS = "gpt"
# Formats whose bytes are the disk itself.
_BARE = ("raw", _PARTITIONS, "iso")


def require(disk_format: str | None, subject: str, accepted: Collection[str] = ACCEPTED) -> str:
    """`disk_format`, if it is one of those `accepted`; else errors.Invalid about `subject`."""
    if disk_format is None or disk_format not in accepted:
        raise errors.Invalid(
            f"{subject} has disk format {disk_format}; accepted are {', '.join(sorted(accepted))}. "
            "Convert it with `qemu-img convert -O qcow2` and upload it as qcow2."
        )
    return disk_format


class Inspection:
    """One stream's inspection: `feed` every block, of any size, then `finish`.

    `subject` begins the sentences for the user ("Image ID"); images whose
    virtual size exceeds `max_virtual_size` bytes are refused if it is given.
    All methods raise errors.Invalid when the data must not be accepted.
    """

    def __init__(
        self,
        disk_format: str | None,
        subject: str,
        accepted: Collection[str] = ACCEPTED,
        max_virtual_size: int | None = None,
    ) -> None:
        self._format = require(disk_format, subject, accepted)
        self._subject = subject
        self._max = max_virtual_size
        self._first: list[bytes] = []
        self._size = 0
        self._source = _Source()
        self._all: format_inspector.InspectWrapper | None = format_inspector.InspectWrapper(
            cast("IO[bytes]", self._source)
        )
        self._matched: list[format_inspector.FileInspector] = []

    def feed(self, block: bytes) -> None:
        """Look at the next block."""
        before, self._size = self._size, self._size + len(block)
        if self._size < _FIRST:
            self._first.append(block)
            return
        if before < _FIRST:
            block = b"".join([*self._first, block])
            self._first.clear()
        self._look(block)

    def finish(self) -> int:
        """The disk's virtual size in bytes, at the end of the stream."""
        if self._first:
            self._look(b"".join(self._first))
        if self._all is not None:
            if 0 < self._size < _SECTOR:
                # QEMU reads a short file as if zeros followed; so do the inspectors.
                self._source.block = bytes(_SECTOR - self._size)
                self._all.read(_SECTOR)
            self._all.close()
            self._match(self._all.formats or [])
            self._all = None
        else:
            for inspector in self._matched:
                inspector.finish()
        for inspector in self._matched:
            if self._size < _SECTOR and str(inspector) not in _BARE:
                raise self._damaged(inspector)
            self._check(inspector)
        return self._virtual_size()

    def _look(self, block: bytes) -> None:
        if self._all is None:
            # The verdict is in: only the formats that matched read on.
            for inspector in self._matched:
                inspector.eat_chunk(block)
            return
        self._source.block = block
        self._all.read(len(block))
        formats = self._all.formats
        if formats is not None:
            self._match(formats)
            self._all = None

    def _match(self, formats: list[format_inspector.FileInspector]) -> None:
        names = frozenset(str(inspector) for inspector in formats)
        if names not in ACCEPTED[self._format]:
            found = " and ".join(sorted(names))
            raise errors.Invalid(
                f"{self._subject} is {found}, not {self._format} as its disk_format says; "
                "create the image again with the right disk_format."
            )
        self._matched = formats
        for inspector in formats:
            if inspector.complete:
                self._check(inspector)

    def _check(self, inspector: format_inspector.FileInspector) -> None:
        if str(inspector) == _PARTITIONS:
            return  # an odd partition table harms nobody but its guest
        try:
            inspector.safety_check()
        except format_inspector.SafetyCheckFailed as error:
            reasons = [_REASONS.get(name, f"its {name} check failed") for name in error.failures]
            raise errors.Invalid(
                f"{self._subject} is not a safe {inspector} image: {'; '.join(reasons)}."
            ) from None
        except format_inspector.ImageFormatError:
            raise self._damaged(inspector) from None
        if self._max is not None and inspector.virtual_size > self._max:
            raise errors.Invalid(
                f"{self._subject} has a virtual size of {inspector.virtual_size} bytes; at most "
                f"{self._max} are accepted."
            )

    def _virtual_size(self) -> int:
        for inspector in self._matched:
            if str(inspector) not in _BARE:
                return int(inspector.virtual_size)
        return self._size

    def _damaged(self, inspector: format_inspector.FileInspector) -> errors.Invalid:
        return errors.Invalid(f"{self._subject} is a damaged or cut off {inspector} image.")


class _Source:
    """The file the wrapper believes to read: one block at a time, put there by `feed`."""

    block = b""

    def read(self, size: int) -> bytes:
        return self.block
