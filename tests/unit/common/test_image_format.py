"""The verdict on a stream does not depend on how it arrives."""

import contextlib
import os
import random
import struct
from collections.abc import Callable

import pytest

from minova.common import errors
from minova.common.image_format import ACCEPTED, Inspection, require
from minova.companions.image.records import DISK_FORMATS

TIB = 1024**4
KIB = 1024


def qcow2(size: int = 1 << 30, version: int = 3, backing: int = 0, features: int = 0) -> bytes:
    """A header as in qemu's docs/interop/qcow2.txt, and a few clusters."""
    head = struct.pack(">4sIQIIQIIQQIIQQQQII", b"QFI\xfb", version, backing, 0, 16, size,
                       0, 1, 0x30000, 0x10000, 1, 0, 0, features, 0, 0, 4, 104)  # fmt: skip
    return head.ljust(256 * KIB, b"\0")


def boot_sector() -> bytes:
    return os.urandom(510) + b"\x55\xaa"


def iso(hybrid: bool = False) -> bytes:
    data = bytearray(64 * KIB)
    data[32 * KIB : 32 * KIB + 6] = b"\x01CD001"
    if hybrid:
        data[510:512] = b"\x55\xaa"
    return bytes(data)


def judge(disk_format: str, data: bytes, step: int = 256 * KIB) -> int:
    inspection = Inspection(disk_format, "The image", max_virtual_size=TIB)
    for start in range(0, len(data), step):
        inspection.feed(data[start : start + step])
    return inspection.finish()


@pytest.mark.parametrize("step", [512, 4096, 100_000, 256 * KIB, 1 << 20])
@pytest.mark.parametrize(
    ("disk_format", "data", "virtual_size"),
    [
        ("raw", b"", 0),
        ("raw", b"x", 1),
        ("raw", bytes(3 << 20), 3 << 20),
        ("raw", boot_sector() + bytes(1 << 20), 512 + (1 << 20)),
        ("ami", bytes(5000), 5000),
        ("aki", boot_sector() + bytes(100), 612),
        ("qcow2", qcow2(), 1 << 30),
        ("qcow2", qcow2(version=2), 1 << 30),
        ("qcow2", qcow2(size=TIB), TIB),
        ("iso", iso(), 64 * KIB),
        ("iso", iso(hybrid=True), 64 * KIB),
    ],
)
def test_good_images_pass_with_their_virtual_size(
    disk_format: str, data: bytes, virtual_size: int, step: int
) -> None:
    assert judge(disk_format, data, step) == virtual_size


@pytest.mark.parametrize("step", [512, 100_000, 1 << 20])
@pytest.mark.parametrize(
    ("disk_format", "data", "words"),
    [
        ("raw", qcow2(), "is qcow2, not raw"),
        ("raw", qcow2()[:104], "is qcow2, not raw"),
        ("raw", iso(), "is iso, not raw"),
        ("raw", iso(hybrid=True), "gpt and iso, not raw"),
        ("iso", bytes(64 * KIB), "is raw, not iso"),
        ("iso", boot_sector(), "is gpt, not iso"),
        ("qcow2", b"", "is raw, not qcow2"),
        ("qcow2", bytes(1 << 20), "is raw, not qcow2"),
        ("qcow2", qcow2()[:200], "cut off"),
        ("qcow2", qcow2(backing=600), "backing file"),
        ("qcow2", qcow2(version=2, backing=600), "backing file"),
        ("qcow2", qcow2(features=1 << 2), "external data file"),
        ("qcow2", qcow2(features=1 << 5), "features"),
        ("qcow2", qcow2(version=1), "features"),
        ("qcow2", qcow2(size=TIB + 1), "virtual size"),
        ("qcow2", qcow2(size=2**64 - 1), "virtual size"),
        ("vhdx", bytes(1 << 20), "is raw, not vhdx"),
    ],
)
def test_bad_images_are_refused_in_one_sentence(
    disk_format: str, data: bytes, words: str, step: int
) -> None:
    with pytest.raises(errors.Invalid) as refusal:
        judge(disk_format, data, step)
    assert words in refusal.value.message and refusal.value.message.endswith(".")


def test_a_lie_is_seen_long_before_the_end() -> None:
    inspection = Inspection("qcow2", "The image")
    with pytest.raises(errors.Invalid, match="not qcow2"):
        for _ in range(3):
            inspection.feed(bytes(1 << 20))
        pytest.fail("three MiB went by")


def test_every_format_of_the_api_has_a_verdict_but_vmdk() -> None:
    assert set(DISK_FORMATS) - set(ACCEPTED) == {"vmdk"}
    with pytest.raises(errors.Invalid, match=r"has disk format vmdk; accepted are .*convert"):
        Inspection("vmdk", "The image")


def test_a_place_may_accept_less_and_speaks_for_itself() -> None:
    with pytest.raises(
        errors.Invalid, match="Image 7 has disk format iso; accepted are qcow2, raw"
    ):
        Inspection("iso", "Image 7", accepted=("raw", "qcow2"))
    assert require("iso", "Image 7") == "iso"
    with pytest.raises(errors.Invalid, match="None"):
        require(None, "Image 7")
    inspection = Inspection("raw", "Image 7", accepted=("raw", "qcow2"))
    with pytest.raises(errors.Invalid, match="Image 7 is qcow2, not raw"):
        inspection.feed(qcow2())


def test_a_size_is_refused_only_where_there_is_a_limit() -> None:
    inspection = Inspection("qcow2", "The image")
    inspection.feed(qcow2(size=1 << 50))
    assert inspection.finish() == 1 << 50


@pytest.mark.parametrize("make", [qcow2, iso, lambda: bytes(1 << 20), boot_sector])
def test_random_damage_never_breaks_the_inspector(make: Callable[[], bytes]) -> None:
    """Whatever is in the header, the answer is a size or errors.Invalid."""
    good, dice = make(), random.Random(0)
    for _ in range(150):
        data = bytearray(good)
        for _ in range(6):
            data[dice.randrange(256)] = dice.randrange(256)
        for disk_format in ("qcow2", "raw", "iso"):
            with contextlib.suppress(errors.Invalid):
                assert 0 <= judge(disk_format, bytes(data)) <= TIB
