"""The list of advisories and the tests agree: what is listed is tested, and the reverse."""

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

TOP = Path(__file__).parents[2]
ROWS: list[dict[str, Any]] = yaml.safe_load((TOP / "tests/security/advisories.yaml").read_text())
ID = re.compile(r"CVE-\d{4}-\d{4,5}|OSS[AN]-(\d{4}-)?\d{3,4}")
NAMED = re.compile(r"test_(cve|ossa|ossn)_\d")


@cache
def functions(file: Path) -> frozenset[str]:
    """The functions a test file defines, whether or not its imports work here."""
    nodes = ast.walk(ast.parse(file.read_text()))
    return frozenset(node.name for node in nodes if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_every_listed_advisory_has_its_tests(row: dict[str, Any]) -> None:
    assert set(row) == {"id", "area", "tests"} and ID.fullmatch(row["id"])
    assert row["tests"], f"{row['id']} has no test"
    for test in row["tests"]:
        file, _, function = test.partition("::")
        assert (TOP / file).is_file(), f"{row['id']}: there is no {file}"
        assert function in functions(TOP / file), f"{row['id']}: {file} has no {function}"


def test_every_test_named_after_an_advisory_is_listed() -> None:
    listed = {test for row in ROWS for test in row["tests"]}
    named = {
        f"{file.relative_to(TOP)}::{function}"
        for file in (TOP / "tests").rglob("test_*.py")
        for function in functions(file)
        if NAMED.match(function)
    }
    missing = sorted(named - listed)
    assert not missing, f"add these to tests/security/advisories.yaml: {missing}"


def test_an_advisory_has_one_row() -> None:
    names = [row["id"] for row in ROWS]
    assert len(names) == len(set(names))
