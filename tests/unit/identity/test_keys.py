"""The key repository: its layout, its rotation, its crashes."""

import stat
from pathlib import Path

import pytest
from cryptography.fernet import InvalidToken

from minova.common import errors
from minova.companions.identity import keys


def names(folder: Path) -> list[int]:
    return sorted(int(path.name) for path in folder.iterdir())


def test_setup_makes_a_staged_and_a_primary_key_once(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "keys"
    assert keys.setup(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert not keys.setup(folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert names(folder) == [0, 1]
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_rotation_makes_the_staged_key_primary_and_drops_the_oldest(tmp_path: Path) -> None:
    keys.setup(tmp_path)
    staged = (tmp_path / "0").read_bytes()
    assert keys.rotate(tmp_path, 4) == 2
    assert (tmp_path / "2").read_bytes() == staged
    assert names(tmp_path) == [0, 1, 2]
    keys.rotate(tmp_path, 4)
    keys.rotate(tmp_path, 4)
    assert names(tmp_path) == [0, 2, 3, 4]
    keys.rotate(tmp_path, 3)
    assert names(tmp_path) == [0, 4, 5]


def test_a_running_service_takes_up_rotated_keys(tmp_path: Path) -> None:
    keys.setup(tmp_path)
    here, there = keys.KeyRing(tmp_path), keys.KeyRing(tmp_path)
    old = here.fernet().encrypt(b"old")
    for _ in range(20):
        keys.rotate(tmp_path, 30)
        fresh = here.fernet().encrypt(b"new")
        assert there.fernet().decrypt(fresh) == b"new"
        assert there.fernet().decrypt(old) == b"old"
    keys.rotate(tmp_path, 3)
    with pytest.raises(InvalidToken):
        there.fernet().decrypt(old)


def test_a_node_that_has_not_the_newest_keys_yet_reads_tokens_of_one_that_has(
    tmp_path: Path,
) -> None:
    keys.setup(tmp_path)
    behind = keys.KeyRing(tmp_path).fernet()
    keys.rotate(tmp_path, 3)
    assert behind.decrypt(keys.KeyRing(tmp_path).fernet().encrypt(b"x")) == b"x"


def test_a_rotation_that_crashed_half_way_is_mended_by_the_next(tmp_path: Path) -> None:
    keys.setup(tmp_path)
    ring = keys.KeyRing(tmp_path)
    token = ring.fernet().encrypt(b"x")
    (tmp_path / "0").rename(tmp_path / "2")
    (tmp_path / ".0.new").write_bytes(b"half a k")
    assert ring.fernet().decrypt(token) == b"x"
    keys.rotate(tmp_path, 5)
    assert names(tmp_path) == [0, 1, 2, 3]
    assert ring.fernet().decrypt(token) == b"x"


def test_a_missing_repository_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(errors.Invalid, match="keys setup"):
        keys.rotate(tmp_path / "none", 3)
    with pytest.raises(errors.Invalid, match="keys setup"):
        keys.rotate(tmp_path, 3)
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(errors.Unavailable, match="no token keys"):
            keys.KeyRing(folder).fernet()
