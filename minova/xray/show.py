"""`minova xray SERVER`: a launch's steps on a terminal, or as JSON."""

import json
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
    console = console or Console()
    console.print(_table(launch.server_name(spans) or server, uuid, steps))
    for step in steps:
        if step.reason and step.status == launch.FAILED:
            console.print(Text(f"step {step.number} failed: {step.reason}", style="bold red"))


def _table(name: str, uuid: str, steps: list[StepView]) -> Table:
    # The authentication may be minutes older than the launch: time starts at step 2.
    starts = [step.start for step in steps[1:] if step.start is not None]
    begin = min(starts, default=0.0)
    ends = [s.start + (s.duration_ms or 0) / 1e3 for s in steps[1:] if s.start is not None]
    total = max(ends, default=begin) - begin
    table = Table(
        title=f"Launch of {name} ({uuid}): {total:.2f} s",
        title_justify="left",
        box=None,
        padding=(0, 1),
    )
    for heading, justify in (
        ("", "right"),
        ("step", "left"),
        ("at", "right"),
        ("took", "right"),
        ("", "left"),
        ("process", "left"),
        ("over", "left"),
        ("code", "left"),
    ):
        table.add_column(heading, justify=justify, no_wrap=heading in ("at", "took"))  # type: ignore[arg-type]
    for step in steps:
        note = f"  [{step.note}]" if step.note else ""
        table.add_row(
            f"{_MARK[step.status]} {step.number}",
            Text(step.title + note),
            _at(step, begin),
            _took(step.duration_ms),
            _bar(step, begin, total),
            step.process,
            step.transport,
            step.code.removeprefix("minova/"),
            style=_STYLE.get(step.status, ""),
        )
    return table


def _at(step: StepView, begin: float) -> str:
    if step.start is None:
        return ""
    return f"{step.start - begin:+.3f} s"


def _took(duration_ms: float | None) -> str:
    if duration_ms is None:
        return ""
    return f"{duration_ms:.1f} ms" if duration_ms < 1000 else f"{duration_ms / 1000:.2f} s"


def _bar(step: StepView, begin: float, total: float) -> str:
    """Where in the launch the step lies, as a bar of blocks."""
    if step.start is None or step.number == 1 or total <= 0:
        return ""
    left = int((step.start - begin) / total * _BAR_WIDTH)
    width = max(1, round((step.duration_ms or 0) / 1e3 / total * _BAR_WIDTH))
    return " " * min(left, _BAR_WIDTH - 1) + "█" * min(width, _BAR_WIDTH - left)
