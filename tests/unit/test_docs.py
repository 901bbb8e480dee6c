"""The walk in minova/README.md names files and functions that exist."""

import ast
import re
from pathlib import Path

import pytest

from minova.model import steps

ROOT = Path(__file__).resolve().parents[2]
WALK = (ROOT / "minova" / "README.md").read_text()
PLACES = sorted(set(re.findall(r"`([\w/]+\.py)(?::(\w+))?`", WALK)))


@pytest.mark.parametrize(("file", "function"), PLACES)
def test_the_walk_names_code_that_exists(file: str, function: str) -> None:
    candidates = [ROOT / "minova" / file, ROOT / file]
    path = next((path for path in candidates if path.exists()), None)
    assert path is not None, f"{file} does not exist"
    if function:
        names = {
            node.name
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, (ast.FunctionDef, ast.ClassDef))
        }
        assert function in names


def test_the_walk_has_every_step_in_order() -> None:
    found = [int(number) for number in re.findall(r"\*\*STEP (\d+)\.", WALK)]
    assert found == [step.number for step in steps.LAUNCH]
