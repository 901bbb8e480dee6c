"""The few header fields of a qcow2 file that we read ourselves, and empty ones to write.

Only for files whose header is ours or was inspected. Source: QEMU's
docs/interop/qcow2.txt.
"""

import struct
from pathlib import Path

# magic, version, backing file offset and length, cluster bits, virtual size
_HEADER = struct.Struct(">4sIQIIQ")
_MAGIC = b"QFI\xfb"
# All of a version 3 header: the first fields, then encryption, L1 table (entries, offset),
# refcount table (offset, clusters), snapshots (count, offset), feature bits, refcount order, length
_WHOLE = struct.Struct(">4sIQIIQIIQQIIQQQQII")
_EXTENSION = struct.Struct(">II")
_LABEL = 0x6D6E7661  # an extension that no reader knows, and so skips
_CLUSTER_BITS, _CLUSTER = 16, 1 << 16
_PER_L1_ENTRY = _CLUSTER * (_CLUSTER // 8)


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


def empty(virtual_size: int, label: bytes = b"") -> bytes:
    """A whole file whose disk of `virtual_size` bytes reads as zeros; `label` tells two apart."""
    entries = max(1, -(-virtual_size // _PER_L1_ENTRY))
    table = -(-entries * 8 // _CLUSTER)  # clusters of the L1 table, the fourth and on
    clusters = 3 + table
    header = _WHOLE.pack(
        *(_MAGIC, 3, 0, 0, _CLUSTER_BITS, virtual_size, 0, entries, 3 * _CLUSTER),
        *(_CLUSTER, 1, 0, 0, 0, 0, 0, 4, _WHOLE.size),
    )
    if label:
        padded = label + bytes(-len(label) % 8)
        header += _EXTENSION.pack(_LABEL, len(label)) + padded
    header += _EXTENSION.pack(0, 0)
    refcounts = struct.pack(">H", 1) * clusters
    parts = (header, struct.pack(">Q", 2 * _CLUSTER), refcounts, bytes(table * _CLUSTER))
    return b"".join(part.ljust(_CLUSTER, b"\0") for part in parts)


def _fields(start: bytes) -> tuple[int, int, int]:
    if len(start) < _HEADER.size or start[:4] != _MAGIC:
        raise ValueError("not a qcow2 file")
    _, _, offset, length, _, size = _HEADER.unpack_from(start)
    return offset, length, size
