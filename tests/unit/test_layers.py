"""The layers hold, and the checker notices when they do not."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import check_layers  # noqa: E402


def test_no_import_breaks_the_layers(capsys: pytest.CaptureFixture[str]) -> None:
    broken = check_layers.main(ROOT / "minova")
    assert broken == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("compute.build", "minova.db.instances"),
        ("virt.libvirt.driver", "minova.db.engine"),
        ("clients.image", "minova.companions.image.app"),
        ("api.servers", "minova.conductor.launch"),
        ("conductor.launch", "minova.virt.driver"),
        ("common.rpc", "minova.model.instance"),
        ("companions.image.app", "minova.db.instances"),
        ("virt.libvirt.driver", "libvirt"),
    ],
)
def test_the_checker_refuses(module: str, target: str) -> None:
    assert check_layers.refusal(module, module.replace(".", "/") + ".py", target)


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("api.servers", "minova.conductor.rpcapi"),
        ("compute.build", "minova.virt.driver"),
        ("companions.image.app", "minova.db.engine"),
        ("virt.libvirt.connection", "libvirt"),
    ],
)
def test_the_checker_allows(module: str, target: str) -> None:
    assert check_layers.refusal(module, module.replace(".", "/") + ".py", target) is None


def test_no_file_has_grown_past_four_hundred_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in (ROOT / "minova").rglob("*.py")
        if (count := len(path.read_text().splitlines())) > 420
    }
    assert not long
