"""Large files: written in pieces, with holes where zeros are, and safe on disk."""

import os
from pathlib import Path

# One size for every copy of disk data. The cost of a write to the page cache
# differs little between 64 KiB and 1 MiB; smaller pieces find more holes.
_PIECE = 64 * 1024
_ZEROS = bytes(_PIECE)


def write(fd: int, block: bytes) -> None:
    """Write all of `block` at the file's position."""
    view = memoryview(block)
    while view:
        view = view[os.write(fd, view[:_PIECE]) :]


def write_sparse(fd: int, block: bytes) -> None:
    """Like `write`, leaving a hole for each piece of zeros.

    Only for a file that is new behind its position. After the last block the
    file may have to be grown to its position (`end`).
    """
    for start in range(0, len(block), _PIECE):
        piece = block[start : start + _PIECE]
        if piece == _ZEROS[: len(piece)]:
            os.lseek(fd, len(piece), os.SEEK_CUR)
        else:
            write(fd, piece)


def end(fd: int) -> None:
    """The file ends at its position, though a hole is last."""
    os.ftruncate(fd, os.lseek(fd, 0, os.SEEK_CUR))


def sync_folder(folder: Path) -> None:
    """Return when the names in `folder` are on disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
