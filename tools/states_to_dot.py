#!/usr/bin/env python3
"""Draws the diagram of minova/model/states.py: which action leads from which state to which.

    tools/states_to_dot.py               Graphviz's language, on standard output
    tools/states_to_dot.py --svg [FILE]  minova/README.md's picture (default: minova/states.svg)

The picture's places are set by hand, so that it looks the same everywhere;
what stands in it is the table's. A test says when it is stale.
"""

import sys
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP))

from minova.model import states as s  # noqa: E402
from minova.model.states import ACTIONS, ANY, Action  # noqa: E402

PICTURE = TOP / "minova" / "states.svg"

# Where each state stands: beside ACTIVE, from top to bottom, or above and below it.
LEFT = (s.PAUSED, s.SUSPENDED, s.STOPPED, s.RESCUED, s.RESIZED)
RIGHT = (s.SHELVED, s.SHELVED_OFFLOADED, s.SOFT_DELETED, s.ERROR)
ABOVE, BELOW = s.BUILDING, s.DELETED
# state -> (fill, stroke)
_COLOURS = {
    s.ACTIVE: ("#e3f4e5", "#2e7d32"),
    s.BUILDING: ("#fdf3d8", "#b7791f"),
    s.RESIZED: ("#fdf3d8", "#b7791f"),
    s.RESCUED: ("#fdf3d8", "#b7791f"),
    s.ERROR: ("#fde4e1", "#b3261e"),
    s.SOFT_DELETED: ("#eceff1", "#546e7a"),
    s.DELETED: ("#eceff1", "#546e7a"),
}
_OTHERS = ("#e4eefb", "#1f5fa8")

BOX, MIDDLE, GAP, MARGIN = 236, 220, 158, 16
LINE, PAD, SPACE = 16, 12, 30
_LEFT_X = MARGIN
_MIDDLE_X = _LEFT_X + BOX + GAP
_RIGHT_X = _MIDDLE_X + MIDDLE + GAP
WIDTH = _RIGHT_X + BOX + MARGIN
_IN_BOX, _IN_MIDDLE, _ON_ARROW = 35, 32, 21
_STYLE = """
text { font: 12px system-ui, 'DejaVu Sans', sans-serif; fill: #263238 }
.state { font-weight: 600; font-size: 14px }
.status { font-size: 10px; font-weight: 400; fill: #607d8b }
.stays { fill: #607d8b }
.from { fill: #37474f; font-style: italic }
path { fill: none; stroke: #455a64; stroke-width: 1.4; marker-end: url(#tip) }
rect { stroke-width: 1.4 }
"""


@dataclass(frozen=True)
class Edge:
    """One action from one state to another."""

    action: str
    before: str
    after: str


@dataclass(frozen=True)
class Box:
    """A state with its place; `lines` are (class, text)."""

    state: str
    x: int
    y: int
    width: int
    height: int
    lines: list[tuple[str, str]]


def everywhere(row: Action) -> bool:
    """Whether the row is allowed whatever the state."""
    return row.vm_states is ANY


def edges() -> Iterator[Edge]:
    """Every way from one state to another, but for what is possible everywhere."""
    for row in ACTIONS.values():
        if everywhere(row):
            continue
        for before in s.VM_STATES:
            if before in row.vm_states:
                for after in dict.fromkeys((row.ends(before), row.otherwise or before)):
                    if after != before:
                        yield Edge(row.name, before, after)


def staying(state: str) -> list[str]:
    """What leaves `state` as it is, but for what is possible everywhere."""
    rows = (row for row in ACTIONS.values() if not everywhere(row) and state in row.vm_states)
    return [row.name for row in rows if row.ends(state) == state]


def anywhere(after: str | None) -> list[str]:
    """What is possible in every state, and leads to `after` (None: leaves it)."""
    return [row.name for row in ACTIONS.values() if everywhere(row) and row.success == after]


def failing() -> list[str]:
    """What ends in ERROR when it fails."""
    return [row.name for row in ACTIONS.values() if row.failure == s.ERROR]


def dot() -> str:
    """The diagram in Graphviz's language."""
    lines = ["digraph states {", "  node [shape=box, style=rounded]; edge [fontsize=10];"]
    for before, after, names in _merged(edges()):
        label = "\\n".join(names)
        lines.append(f'  "{before}" -> "{after}" [label="{label}"];')
    for state in s.VM_STATES:
        for after in (s.SOFT_DELETED, s.DELETED):
            if state not in (after, s.DELETED):
                lines.append(f'  "{state}" -> "{after}" [style=dotted];')
    return "\n".join([*lines, "}", ""])


def svg() -> str:
    """The diagram as a picture."""
    boxes = {box.state: box for box in _boxes()}
    height = max(box.y + box.height for box in boxes.values()) + MARGIN
    legend = _legend()
    whole = height + len(legend) * LINE + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {whole}" '
        f'width="{WIDTH}" height="{whole}" role="img" aria-label="States and actions of a server">',
        f"<style>{_STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
        'markerHeight="7" orient="auto-start-reverse">'
        '<path d="M0 0L10 5L0 10z" style="fill:#455a64;stroke:none;marker-end:none"/>'
        "</marker></defs>",
        f'<rect width="{WIDTH}" height="{whole}" rx="8" fill="#ffffff"/>',
        *(line for box in boxes.values() for line in _drawn(box)),
        *(line for state in (*LEFT, *RIGHT) for line in _arrows(boxes[state], boxes[s.ACTIVE])),
        *_down(boxes[ABOVE], boxes[s.ACTIVE], _names(ABOVE, s.ACTIVE)),
        *_down(boxes[s.ACTIVE], boxes[BELOW], anywhere(s.DELETED)),
        *(
            _text(MARGIN + 4, height + (number + 1) * LINE, line, "stays")
            for number, line in enumerate(legend)
        ),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _merged(found: Iterable[Edge]) -> list[tuple[str, str, list[str]]]:
    together: dict[tuple[str, str], list[str]] = {}
    for edge in found:
        together.setdefault((edge.before, edge.after), []).append(edge.action)
    return [(*pair, names) for pair, names in together.items()]


def _names(before: str, after: str) -> list[str]:
    return [e.action for e in edges() if (e.before, e.after) == (before, after)]


def _boxes() -> Iterator[Box]:
    top = MARGIN + 78 + SPACE
    ends = []
    for x, column in ((_LEFT_X, LEFT), (_RIGHT_X, RIGHT)):
        y = top
        for state in column:
            lines = _lines(state, _IN_BOX)
            # Room for the two arrows with what they say.
            needed = 2 * PAD + LINE * (1 + len(lines))
            spoken = _wrapped(_names(s.ACTIVE, state), _ON_ARROW)
            heard = _wrapped(_names(state, s.ACTIVE), _ON_ARROW)
            height = max(needed, LINE * (len(spoken) + len(heard)) + 40)
            yield Box(state, x, y, BOX, height, lines)
            y += height + SPACE
        ends.append(y - SPACE)
    bottom = max(ends)
    middle = _lines(s.ACTIVE, _IN_MIDDLE)
    yield Box(s.ACTIVE, _MIDDLE_X, top, MIDDLE, bottom - top, middle)
    yield Box(ABOVE, _MIDDLE_X, MARGIN, MIDDLE, 46, _lines(ABOVE, _IN_MIDDLE))
    yield Box(BELOW, _MIDDLE_X, bottom + SPACE + 32, MIDDLE, 46, [])


def _lines(state: str, width: int) -> list[tuple[str, str]]:
    """What stands in a state's box: what else leads to it, and what leaves it as it is."""
    found: list[tuple[str, str]] = []
    others: dict[tuple[str, ...], list[str]] = {}
    for name in dict.fromkeys(e.action for e in edges() if e.after == state):
        sources = tuple(
            e.before
            for e in edges()
            if (e.action, e.after) == (name, state) and e.before != s.ACTIVE
        )
        if sources and state != s.ACTIVE:
            others.setdefault(sources, []).append(name)
    for sources, names in others.items():
        said = f"{', '.join(names)} from {', '.join(sources)}"
        found += [("from", line) for line in textwrap.wrap(said, width)]
    if state == s.SOFT_DELETED:
        said = f"{', '.join(anywhere(state))} from any state"
        found += [("from", line) for line in textwrap.wrap(said, width)]
    if state == s.ERROR:
        said = f"when one of these fails: {', '.join(failing())}"
        found += [("from", line) for line in textwrap.wrap(said, width, break_on_hyphens=False)]
    found += [("stays", line) for line in _wrapped(staying(state), width)]
    return found


def _wrapped(names: list[str], width: int) -> list[str]:
    return textwrap.wrap(", ".join(names), width, break_on_hyphens=False)


def _legend() -> list[str]:
    harmless = [name for name in anywhere(None) if name != "resetState"]
    said = (
        "In grey is what leaves a state as it is; besides, in every state: "
        f"{', '.join(harmless)}. An administrator's resetState leads from any state to active or "
        "error. In capitals is what the status calls a state, if not by its name."
    )
    return textwrap.wrap(said, 150, break_on_hyphens=False)


def _drawn(box: Box) -> Iterator[str]:
    fill, stroke = _COLOURS.get(box.state, _OTHERS)
    yield (
        f'<rect x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="7" '
        f'fill="{fill}" stroke="{stroke}"/>'
    )
    tall = LINE * (1 + len(box.lines))
    y = box.y + (box.height - tall) // 2 + LINE - 3
    middle = box.x + box.width // 2
    yield (
        f'<text x="{middle}" y="{y}" class="state" text-anchor="middle">{box.state}'
        f'<tspan class="status">{_status(box.state)}</tspan></text>'
    )
    for number, (kind, line) in enumerate(box.lines, start=1):
        yield _text(middle, y + number * LINE, line, kind, "middle")


def _status(state: str) -> str:
    """What clients see, where it is another word."""
    shown = s.STATUS[state][None]
    return "" if shown.lower() == state else f" {shown}"


def _arrows(box: Box, active: Box) -> Iterator[str]:
    """The ways between ACTIVE and a state beside it, with what they are called above them."""
    outward = _wrapped(_names(s.ACTIVE, box.state), _ON_ARROW)
    homeward = _wrapped(_names(box.state, s.ACTIVE), _ON_ARROW)
    left = box.x < active.x
    near = box.x + box.width if left else box.x
    far = active.x if left else active.x + active.width
    centre = (near + far) // 2
    tall = LINE * (len(outward) + len(homeward)) + 16 * bool(outward) + 16 * bool(homeward)
    y = box.y + (box.height - tall) // 2
    for lines, start, end in ((outward, far, near), (homeward, near, far)):
        if not lines:
            continue
        for line in lines:
            y += LINE
            yield _text(centre, y - 3, line, "", "middle")
        y += 4
        gap = 3 if end > start else -3
        yield f'<path d="M{start + gap} {y}H{end - gap}"/>'
        y += 12


def _down(above: Box, below: Box, names: list[str]) -> Iterator[str]:
    x, start, end = above.x + above.width // 2, above.y + above.height, below.y
    yield f'<path d="M{x} {start + 3}V{end - 3}"/>'
    for number, name in enumerate(names):
        y = (start + end) // 2 + 4 + number * LINE - (len(names) - 1) * LINE // 2
        yield _text(x + 8, y, name + (" from any state" if below.state == s.DELETED else ""), "")


def _text(x: int, y: int, text: str, kind: str, anchor: str = "start") -> str:
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--svg"]:
        Path(*arguments[1:2] or [PICTURE]).write_text(svg())
    else:
        sys.stdout.write(dot())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
