"""A copy of disk data is the same bytes, and zeros in it take no room."""

import os
from pathlib import Path

import pytest

from minova.common import bulk_files

MIB = 1024**2


@pytest.mark.parametrize(
    "blocks",
    [
        [],
        [bytes(3 * MIB)],
        [b"\1" * 100, bytes(MIB), b"\2" * (MIB + 7)],
        [os.urandom(70_000), bytes(5)],
    ],
)
def test_the_copy_is_the_same_bytes(tmp_path: Path, blocks: list[bytes]) -> None:
    path = tmp_path / "copy"
    with path.open("wb", buffering=0) as file:
        for block in blocks:
            bulk_files.write_sparse(file.fileno(), block)
        bulk_files.end(file.fileno())
    assert path.read_bytes() == b"".join(blocks)


def test_zeros_take_no_room_wherever_they_are(tmp_path: Path) -> None:
    path = tmp_path / "copy"
    with path.open("wb", buffering=0) as file:
        bulk_files.write_sparse(file.fileno(), b"\1" + bytes(8 * MIB - 2) + b"\1")
    assert path.stat().st_blocks * 512 <= MIB
