"""Bytes that are not what the image service said never pass as the image."""

import hashlib
from dataclasses import replace

import pytest

from minova.common import errors
from minova.common.image_data import Claim, Proven

DATA = b"\1" * 300_000
CLAIM = Claim(
    "7", "raw", len(DATA), hashlib.md5(DATA).hexdigest(), "sha256", hashlib.sha256(DATA).hexdigest()
)


def read(claim: Claim, data: bytes = DATA, step: int = 1000) -> int:
    proven = Proven((data[at : at + step] for at in range(0, len(data), step)), claim)
    assert b"".join(proven) == data
    return proven.virtual_size


@pytest.mark.parametrize("step", [1000, 1 << 20])
def test_good_bytes_pass_unchanged(step: int) -> None:
    assert read(CLAIM, step=step) == len(DATA)


@pytest.mark.parametrize(
    "changed",
    [
        {"os_hash_value": None},
        {"os_hash_algo": "md4"},
        {"size": None},
        {"os_hash_value": (CLAIM.os_hash_value or "").upper()},
    ],
)
def test_the_best_of_what_is_known_is_used(changed: dict[str, str | None]) -> None:
    assert read(replace(CLAIM, **changed)) == len(DATA)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"size": len(DATA) - 1}, "larger than"),
        ({"size": len(DATA) + 1}, "instead of"),
        ({"os_hash_value": "0" * 64}, "sha256 checksum"),
        ({"os_hash_algo": None, "checksum": "0" * 32}, "md5 checksum"),
        ({"os_hash_value": None, "checksum": None}, "no checksum"),
        ({"os_hash_value": "../../etc"}, "not a checksum"),
        ({"disk_format": "qcow2"}, "is raw, not qcow2"),
        ({"disk_format": None}, "disk format None"),
    ],
)
def test_bytes_that_are_not_as_claimed_are_refused(
    changed: dict[str, str | int | None], words: str
) -> None:
    with pytest.raises(errors.Invalid, match=words) as refusal:
        read(replace(CLAIM, **changed))
    assert "7" in refusal.value.message and refusal.value.message.endswith(".")
