"""Kernel settings come back to what they were."""

from pathlib import Path

import pytest

from minova.common import errors
from minova.companions.network.agent import sysctls
from minova.companions.network.agent.sysctls import Sysctls


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "sys"
    root.mkdir()
    (root / "forward").write_text("0\n")
    monkeypatch.setattr(sysctls, "_ROOT", root)
    return root


def test_the_first_value_is_restored_after_many_changes(proc: Path, tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    Sysctls(record).ensure("forward", "1")
    (proc / "forward").write_text("2")
    Sysctls(record).ensure("forward", "1")
    assert Sysctls(record).restore() == []
    assert (proc / "forward").read_text() == "0"
    assert not record.exists()
    assert Sysctls(record).restore() == []


def test_a_setting_that_was_right_is_left_alone(proc: Path, tmp_path: Path) -> None:
    settings = Sysctls(tmp_path / "record.json")
    settings.ensure("forward", "0")
    assert not (tmp_path / "record.json").exists()


def test_a_setting_the_kernel_lacks_is_named(proc: Path, tmp_path: Path) -> None:
    with pytest.raises(errors.Unavailable, match=r"net\.nothing"):
        Sysctls(tmp_path / "record.json").ensure("net/nothing", "1")


def test_what_cannot_be_restored_is_named_and_kept(proc: Path, tmp_path: Path) -> None:
    settings = Sysctls(tmp_path / "record.json")
    settings.ensure("forward", "1")
    (proc / "forward").unlink()
    (proc / "forward").mkdir()
    assert "forward=0" in settings.restore()[0]
    assert (tmp_path / "record.json").exists()
