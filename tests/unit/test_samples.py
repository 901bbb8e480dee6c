"""The samples in etc/ tell of every option and rule there is."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("samples")
    command = [str(ROOT / "tools" / "generate-samples"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.parametrize("name", ["minova.conf.sample", "policy.yaml.sample"])
def test_a_sample_is_current(fresh: Path, name: str) -> None:
    if (fresh / name).read_text() != (ROOT / "etc" / name).read_text():
        pytest.fail(f"etc/{name} is stale: run tools/generate-samples and commit what it wrote")
