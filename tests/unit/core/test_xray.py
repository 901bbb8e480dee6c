"""The X-ray: what is kept, what is shown, and that it stays within its bounds."""

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from minova.common import errors
from minova.xray import launch, show
from minova.xray.record import SpanRecord
from minova.xray.store import Reader, Store
from tests.configuration import configure

UUID = "11111111-2222-3333-4444-555555555555"


def a_span(number: int, **changes: Any) -> SpanRecord:
    values: dict[str, Any] = {
        "span_id": f"{number:016x}",
        "trace_id": "t" * 32,
        "parent_id": None,
        "name": f"step {number}",
        "process": "minova run",
        "service": "nova-compute",
        "code": "minova/compute/build.py:build",
        "transport": "REST",
        "start": number * 1_000_000,
        "end": number * 1_000_000 + 500_000,
        "ok": True,
        "reason": None,
        "step": number,
        "instance": UUID,
        "server_name": "vm" if number == 2 else None,
        "audit_id": "audit" if number == 2 else None,
        "attributes": {},
    }
    return SpanRecord(**(values | changes))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "xray" / "spans.sqlite"


def stored(path: Path, spans: list[SpanRecord], most: int = 1000) -> Reader:
    store = Store(path, most)
    store.add(spans)
    store.close()
    return Reader(path)


def test_a_launch_is_found_by_name_and_by_id(path: Path) -> None:
    reader = stored(path, [a_span(2), a_span(4)])
    assert reader.resolve("vm") == reader.resolve(UUID) == UUID


def test_the_authentication_and_the_token_check_belong_to_the_launch(path: Path) -> None:
    login = a_span(1, trace_id="x" * 32, instance=None, audit_id="audit")
    check = a_span(3, instance=None)
    foreign = a_span(1, span_id="f" * 16, trace_id="y" * 32, instance=None, audit_id="other")
    steps = stored(path, [login, a_span(2), check, foreign]).steps(UUID)
    assert [span.step for span in steps] == [1, 2, 3]


def test_the_end_of_a_span_replaces_its_start_whichever_comes_first(path: Path) -> None:
    begun, ended = a_span(16, end=None), a_span(16)
    for order in ([begun, ended], [ended, begun]):
        assert stored(path, order).steps(UUID)[-1].end is not None


def test_a_step_whose_process_died_is_shown_unfinished() -> None:
    views = launch.view([a_span(2), a_span(16, end=None)])
    assert views[15].status == launch.UNFINISHED
    assert views[16].status == launch.NOT_REACHED


def test_of_a_step_done_twice_the_last_is_shown() -> None:
    first = a_span(13, ok=False, reason="no agent")
    second = a_span(13, span_id="e" * 16, start=99_000_000, end=99_500_000)
    assert launch.view([first, second])[12].status == launch.OK


def test_of_a_launch_tried_again_only_the_last_try_is_shown() -> None:
    first = [a_span(n, ok=n != 12) for n in (2, 6, 7, 8, 12)]
    again = [a_span(n, span_id=f"{n:x}" * 16, start=90_000_000 + n) for n in (6, 7, 8)]
    views = launch.view([*first, *again])
    assert [view.status for view in views[5:8]] == [launch.OK] * 3
    assert views[11].status == launch.NOT_REACHED


def test_a_try_that_found_no_other_host_does_not_hide_what_failed() -> None:
    first = [a_span(n, ok=n != 12, reason="the disk is full") for n in (2, 6, 7, 8, 12)]
    again = [a_span(n, span_id=f"{n:x}" * 16, start=90_000_000 + n, ok=False) for n in (6, 7)]
    views = launch.view([*first, *again])
    assert [view.number for view in views if view.status == launch.FAILED] == [12]


def test_the_failing_step_is_shown_with_its_reason(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = a_span(13, ok=False, reason="The network agent does not answer.")
    stored(path, [a_span(2), failed]).close()
    configured(path, monkeypatch)
    console = Console(width=200, record=True, force_terminal=True)
    show.show("vm", as_json=False, console=console)
    text = console.export_text(styles=True)
    assert "step 13 failed: The network agent does not answer." in text
    assert "\x1b[1;31m" in text


def test_json_has_all_seventeen_steps(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stored(path, [a_span(2), a_span(17)]).close()
    configured(path, monkeypatch)
    show.show(UUID, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["server"] == UUID
    assert [step["step"] for step in told["steps"]] == list(range(1, 18))
    keys = {"step", "title", "process", "transport", "start", "duration_ms", "status", "code"}
    assert keys <= set(told["steps"][16])
    assert told["steps"][16]["duration_ms"] == 0.5


def test_an_unknown_server_is_told_as_such(path: Path) -> None:
    with pytest.raises(errors.NotFound, match="nobody"):
        stored(path, [a_span(2)]).resolve("nobody")


def test_the_store_keeps_the_newest_within_its_bound(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("minova.xray.store._TRIM_EVERY", 10)
    reader = stored(path, [a_span(n, step=2) for n in range(1, 40)], most=20)
    kept = [span.start for span in reader.trace("t" * 32)]
    assert kept == [n * 1_000_000 for n in range(20, 40)]


def configured(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from oslo_config import cfg

    configure()
    cfg.CONF.set_override("store", str(path), group="xray")
