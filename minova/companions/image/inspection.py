"""Is this what it claims to be, and is it safe? Decided while the bytes stream by.

oslo.utils' format inspectors read the headers of ten formats at once; no
external program ever opens the data. What is refused here can never reach
a host: files in a file (backing and data files), formats that lie, VMDK.
"""

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
_PARTITIONS = "gpt"
# Formats whose bytes are the disk itself.
_BARE = ("raw", _PARTITIONS, "iso")


class Inspection:
    """One stream's inspection: `feed` every block, then `finish`.

    The first block should hold at least 256 KiB unless the stream is
    shorter: an inspector judges by what it sees first. Both methods raise
    errors.Invalid, with one sentence for the user, when the data must not
    be accepted.
    """

    def __init__(self, disk_format: str, max_virtual_size: int) -> None:
        if disk_format not in ACCEPTED:
            raise errors.Invalid(
                f"Images of format {disk_format} are not accepted; convert the image to qcow2 "
                "with `qemu-img convert -O qcow2` and upload that."
            )
        self._format = disk_format
        self._max = max_virtual_size
        self._source = _Source()
        self._all: format_inspector.InspectWrapper | None = format_inspector.InspectWrapper(
            cast("IO[bytes]", self._source)
        )
        self._matched: list[format_inspector.FileInspector] = []
        self._size = 0

    def feed(self, block: bytes) -> None:
        """Look at the next block."""
        self._size += len(block)
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

    def finish(self) -> int:
        """The disk's virtual size in bytes, at the end of the stream."""
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
                raise _damaged(inspector)
            self._check(inspector)
        return self._virtual_size()

    def _match(self, formats: list[format_inspector.FileInspector]) -> None:
        names = frozenset(str(inspector) for inspector in formats)
        if names not in ACCEPTED[self._format]:
            found = " and ".join(sorted(names))
            raise errors.Invalid(
                f"The uploaded data is {found}, not {self._format} as the image's disk_format "
                "says; create the image with the right --disk-format."
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
                f"The uploaded {inspector} image is not accepted: {'; '.join(reasons)}."
            ) from None
        except format_inspector.ImageFormatError:
            raise _damaged(inspector) from None
        if inspector.virtual_size > self._max:
            raise errors.Invalid(
                f"The {inspector} image's virtual size is {inspector.virtual_size} bytes; at most "
                f"{self._max} are accepted."
            )

    def _virtual_size(self) -> int:
        for inspector in self._matched:
            if str(inspector) not in _BARE:
                return int(inspector.virtual_size)
        return self._size


def _damaged(inspector: format_inspector.FileInspector) -> errors.Invalid:
    return errors.Invalid(f"The uploaded data is a damaged or cut off {inspector} image.")


class _Source:
    """The file the wrapper believes to read: one block at a time, put there by `feed`."""

    block = b""

    def read(self, size: int) -> bytes:
        return self.block
