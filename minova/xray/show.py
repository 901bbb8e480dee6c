"""`minova xray SERVER`: a launch's steps on a terminal, or as JSON."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oslo_config import cfg
from rich.console import Console
from rich.table import Table
from rich.text import Text

from minova.xray import launch
from minova.xray.launch import StepView
from minova.xray.store import Reader

_STYLE = {launch.FAILED: "bold red", launch.UNFINISHED: "yellow", launch.NOT_REACHED: "dim"}
_MARK = {launch.OK: "✓", launch.FAILED: "✗", launch.UNFINISHED: "…", launch.NOT_REACHED: "·"}
_BAR_WIDTH = 24


def show(server: str, *, as_json: bool, console: Console | None = None) -> None:
    """Print the launch of `server` (name or uuid); errors.NotFound if none is recorded."""
    reader = Reader(Path(cfg.CONF.xray.store))
    try:
        uuid = reader.resolve(server)
        spans = reader.steps(uuid)
    finally:
        reader.close()
    steps = launch.view(spans)
    if as_json:
        print(json.dumps({"server": uuid, "steps": [step.as_json() for step in steps]}, indent=2))
        return
    # Into a file or a pipe goes all there is to say; a terminal gets what it has room for.
    console = console or (Console() if sys.stdout.isatty() else Console(width=200))
    console.print(_table(launch.server_name(spans) or server, uuid, steps, console.width))
    for step in steps:
        if step.reason and step.status == launch.FAILED:
            console.print(Text(f"step {step.number} failed: {step.reason}", style="bold red"))


def _table(name: str, uuid: str, steps: list[StepView], width: int) -> Table:
    # The authentication may be minutes older than the launch: time starts at step 2.
    starts = [step.start for step in steps[1:] if step.start is not None]
    begin = min(starts, default=0.0)
    ends = [s.start + (s.duration_ms or 0) / 1e3 for s in steps[1:] if s.start is not None]
    total = max(ends, default=begin) - begin
    columns = [column for column in _COLUMNS if column.from_width <= width]
    table = Table(
        title=f"Launch of {name} ({uuid}): {total:.2f} s",
        title_justify="left",
        box=None,
        padding=(0, 1),
    )
    for column in columns:
        table.add_column(column.heading, justify=column.justify, no_wrap=True)  # type: ignore[arg-type]
    for step in steps:
        cells = (column.cell(step, begin, total) for column in columns)
        table.add_row(*cells, style=_STYLE.get(step.status, ""))
    return table


def _title(step: StepView, begin: float, total: float) -> str:
    return step.title + (f" ({step.note})" if step.note else "")


def _at(step: StepView, begin: float, total: float) -> str:
    if step.start is None:
        return ""
    return f"{step.start - begin:+.3f} s"


def _took(step: StepView, begin: float, total: float) -> str:
    took = step.duration_ms
    if took is None:
        return ""
    return f"{took:.1f} ms" if took < 1000 else f"{took / 1000:.2f} s"


def _bar(step: StepView, begin: float, total: float) -> str:
    """Where in the launch the step lies, as a bar of blocks."""
    if step.start is None or step.number == 1 or total <= 0:
        return ""
    left = int((step.start - begin) / total * _BAR_WIDTH)
    width = max(1, round((step.duration_ms or 0) / 1e3 / total * _BAR_WIDTH))
    return " " * min(left, _BAR_WIDTH - 1) + "█" * min(width, _BAR_WIDTH - left)


@dataclass(frozen=True)
class _Column:
    """A column of the table, shown from a terminal of this many characters on."""

    heading: str
    justify: str
    from_width: int
    cell: Callable[[StepView, float, float], str]


_COLUMNS = (
    _Column("", "right", 0, lambda step, *_: f"{_MARK[step.status]} {step.number}"),
    _Column("step", "left", 0, _title),
    _Column("at", "right", 0, _at),
    _Column("took", "right", 0, _took),
    _Column("", "left", 160, _bar),
    _Column("process", "left", 100, lambda step, *_: step.process),
    _Column("over", "left", 115, lambda step, *_: step.transport),
    _Column("code", "left", 150, lambda step, *_: step.code.removeprefix("minova/")),
)
