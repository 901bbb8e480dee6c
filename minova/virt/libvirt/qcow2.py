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
        return _fields(file.read(_HEADER.size))[3]


def backing_file(path: Path) -> Path | None:
    """The file this one stands on, if any; None too for what is no qcow2 file."""
    with path.open("rb") as file:
        try:
            offset, length, _, _ = _fields(file.read(_HEADER.size))
        except ValueError:
            return None
        if not offset:
            return None
        file.seek(offset)
        return Path(file.read(length).decode())


def _fields(header: bytes) -> tuple[int, int, int, int]:
    if len(header) < _HEADER.size or header[:4] != _MAGIC:
        raise ValueError("not a qcow2 file")
    _, _, offset, length, cluster_bits, size = _HEADER.unpack(header)
    return offset, length, cluster_bits, size
