"""Every rule that is asked for is defined, and every defined one is asked for."""

import re
from pathlib import Path

import minova
from minova.policies import image

FOLDER = Path(minova.__file__).parent / "companions" / "image"


def test_cve_2026_49299_enforced_and_defined_rules_are_the_same() -> None:
    text = "\n".join(path.read_text() for path in FOLDER.rglob("*.py"))
    defined = {rule.name for rule in image.list_rules()}
    assert len(defined) == len(image.list_rules())
    asked = {name for name in defined if re.search(rf'"{name}"', text)}
    assert asked == defined
