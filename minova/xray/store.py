"""The bounded store of spans: one SQLite file, written by the collector, read by anybody."""

import json
import sqlite3
import threading
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from minova.common import errors
from minova.xray.record import SpanRecord
from minova.xray.rpcapi import packed

_COLUMNS = (
    *("span_id", "trace_id", "parent_id", "name", "process", "service", "code", "transport"),
    *("start", "end", "ok", "reason", "step", "instance", "server_name", "audit_id"),
    "attributes",
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS spans (
    span_id TEXT PRIMARY KEY, trace_id TEXT, parent_id TEXT, name TEXT, process TEXT,
    service TEXT, code TEXT, transport TEXT, start INTEGER, "end" INTEGER, ok INTEGER,
    reason TEXT, step INTEGER, instance TEXT, server_name TEXT, audit_id TEXT, attributes TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS spans_trace ON spans (trace_id);
CREATE INDEX IF NOT EXISTS spans_instance ON spans (instance) WHERE instance IS NOT NULL;
CREATE INDEX IF NOT EXISTS spans_name ON spans (server_name) WHERE server_name IS NOT NULL;
CREATE INDEX IF NOT EXISTS spans_audit ON spans (audit_id) WHERE audit_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS spans_start ON spans (start);
"""
_TRIM_EVERY = 5000
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
# A packed record's values stand in the order of the columns. A start that
# arrives after its end must not hide it.
_ADD = f"""
INSERT INTO spans ({_NAMES})
SELECT {", ".join(f"value ->> {place}" for place in range(len(_COLUMNS)))}
FROM json_each(?) WHERE true
ON CONFLICT (span_id) DO UPDATE SET
{", ".join(f'"{name}" = excluded."{name}"' for name in _COLUMNS[1:])}
WHERE excluded."end" IS NOT NULL
"""


class Store:
    """Spans by id. `most` spans are kept; the oldest go first."""

    def __init__(self, path: Path, most: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._most = most
        self._lock = threading.Lock()
        self._since_trim = 0
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=OFF")
        self._db.executescript(_SCHEMA)

    def add(self, spans: Iterable[SpanRecord]) -> None:
        """Keep spans; the end of one replaces its start."""
        self.add_packed(packed(spans))

    def add_packed(self, spans: str) -> None:
        """`add` of spans as they travel: SQLite takes them apart, beside Python's threads."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            self._since_trim += self._db.execute(_ADD, (spans,)).rowcount
            if self._since_trim >= _TRIM_EVERY:
                self._since_trim = 0
                self._db.execute(
                    "DELETE FROM spans WHERE start < (SELECT start FROM spans "
                    "ORDER BY start DESC LIMIT 1 OFFSET ?)",
                    (self._most - 1,),
                )
            self._db.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            self._db.close()


class Reader:
    """Looks into a store without writing; errors.NotFound if there is none."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            raise errors.NotFound("No span has been recorded yet; launch a server first.")
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        self._db.row_factory = sqlite3.Row

    def close(self) -> None:
        self._db.close()

    def resolve(self, server: str) -> str:
        """The uuid of the newest launch of a server called, or whose uuid is, `server`."""
        row = self._db.execute(
            "SELECT instance FROM spans WHERE (instance = ?1 OR server_name = ?1) "
            "AND instance IS NOT NULL ORDER BY start DESC LIMIT 1",
            (server,),
        ).fetchone()
        if row is None:
            raise errors.NotFound(
                f"No launch of a server {server} is recorded; see `openstack server list`."
            )
        return str(row["instance"])

    def steps(self, instance: str) -> list[SpanRecord]:
        """The step spans of a launch, oldest first.

        What a request does once, for all of the servers it launches, names the
        first of them, so it comes by the request's trace; the authentication
        behind it comes by the token's audit id.
        """
        spans = self._select("instance = ? AND step > 4", instance)
        traces = {span.trace_id for span in spans if span.step == 5}
        traces |= {span.trace_id for span in self._select("instance = ? AND step = 2", instance)}
        request = self._select(f"trace_id IN ({_marks(traces)}) AND step IN (2, 3, 4)", *traces)
        audits = {span.audit_id for span in request if span.audit_id}
        before = self._select(f"audit_id IN ({_marks(audits)}) AND step = 1", *audits)
        return sorted([*before, *request, *spans], key=lambda span: span.start)

    def trace(self, trace_id: str) -> list[SpanRecord]:
        """Every span of a trace, oldest first."""
        return self._select("trace_id = ?", trace_id)

    def _select(self, where: str, *values: Any) -> list[SpanRecord]:
        rows = self._db.execute(f"SELECT * FROM spans WHERE {where} ORDER BY start", values)
        return [
            SpanRecord(
                **{**dict(r), "ok": bool(r["ok"]), "attributes": json.loads(r["attributes"])}
            )
            for r in rows
        ]


def _marks(values: Collection[Any]) -> str:
    return ", ".join("?" * len(values))
