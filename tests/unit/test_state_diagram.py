"""The diagram of states in minova/README.md is drawn from the table, and shows all of it."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from minova.model.states import ACTIONS, VM_STATES

TOP = Path(__file__).resolve().parent.parent.parent
TOOL = TOP / "tools" / "states_to_dot.py"


def drawn(*options: str) -> str:
    done = subprocess.run(
        [sys.executable, str(TOOL), *options], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_picture_is_what_the_table_draws(tmp_path: Path) -> None:
    drawn("--svg", str(tmp_path / "fresh.svg"))
    kept = TOP / "minova" / "states.svg"
    if (tmp_path / "fresh.svg").read_text() != kept.read_text():
        raise AssertionError("minova/states.svg is stale: run tools/states_to_dot.py --svg")


def test_the_walk_shows_the_picture() -> None:
    assert "(states.svg)" in (TOP / "minova" / "README.md").read_text()


def test_no_state_and_no_action_is_missing_in_the_picture() -> None:
    svg = ElementTree.parse(TOP / "minova" / "states.svg")
    words = " ".join(" ".join(text.itertext()) for text in svg.iter() if text.tag.endswith("text"))
    shown = set(words.replace(",", " ").replace(".", " ").replace(":", " ").split())
    assert set(VM_STATES) | set(ACTIONS) <= shown


def test_graphviz_gets_every_way_between_two_states() -> None:
    dot = drawn()
    assert dot.startswith("digraph states {") and dot.rstrip().endswith("}")
    for row in ACTIONS.values():
        for before in VM_STATES:
            if len(row.vm_states) and before in row.vm_states and row.ends(before) != before:
                assert f'"{before}" -> "{row.ends(before)}"' in dot, row.name
