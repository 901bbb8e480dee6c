"""The few header fields of a qcow2 file that we read ourselves.

Only for files whose header is ours or was inspected. Source: QEMU's
docs/interop/qcow2.txt.
"""

import struct
from pathlib import Path

# magic, version, backing file offset and length, cluster bits, virtual size
_HEADER = struct.Struct(">4sIQIIQ")
_MAGIC = b"QFI\xfb"


def virtual_size(path: Path) -> int:
    """Bytes of the disk inside; ValueError when it is no qcow2 file."""
    with path.open("rb") as file:
        return virtual_size_of(file.read(_HEADER.size))


def virtual_size_of(start: bytes) -> int:
    """The same for the first bytes of a file."""
    return _fields(start)[2]


def backing_file(path: Path) -> Path | None:
    """The file this one stands on, if any; None too for what is no qcow2 file."""
    with path.open("rb") as file:
        try:
            offset, length, _ = _fields(file.read(_HEADER.size))
        except ValueError:
            return None
        if not offset:
            return None
        file.seek(offset)
        return Path(file.read(length).decode())


def _fields(start: bytes) -> tuple[int, int, int]:
    if len(start) < _HEADER.size or start[:4] != _MAGIC:
        raise ValueError("not a qcow2 file")
    _, _, offset, length, _, size = _HEADER.unpack_from(start)
    return offset, length, size
