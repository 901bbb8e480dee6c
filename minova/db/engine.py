"""A database behind a URL: transactions, read connections, retries, migrations.

Core's and each companion's data layer is plain functions over SQLAlchemy
Core tables that take a `Database`. The same code runs on SQLite (WAL),
MariaDB and PostgreSQL.

- Nothing remote (REST, RPC, libvirt) happens inside a transaction.
- A unique key taken raises `errors.DuplicateEntry`.
- A function that opens its own transactions may be `@retried`: a deadlock or
  a lost connection runs it again from its start.
"""

import functools
import logging
import re
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
import tenacity
from sqlalchemy import event, exc

from minova.common import errors, tracing

LOG = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")


class Database:
    """One service's database. Thread-safe; `dispose()` closes its connections.

    SQLite has one writer, and its own wait for the lock is a sleep, so
    writers of this process queue on a lock here and never sleep.
    """

    def __init__(self, url: str) -> None:
        self.url = sa.make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer = threading.Lock()
        self.engine = sa.create_engine(self.url, **self._engine_options())
        if self.is_sqlite:
            if self.url.database and self.url.database != ":memory:":
                Path(self.url.database).parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    def _engine_options(self) -> dict[str, Any]:
        if self.is_sqlite:
            return {"connect_args": {"check_same_thread": False, "timeout": 30}, "pool_size": 32}
        options: dict[str, Any] = {
            "pool_pre_ping": True,
            "pool_recycle": 1800,
            "pool_size": 10,
            "max_overflow": 30,
        }
        if self.url.get_backend_name() in ("mysql", "mariadb"):
            options["isolation_level"] = "READ COMMITTED"
        return options

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """A connection in one write transaction: committed at the end, rolled back on error."""
        with self._transaction() as connection:
            yield connection
        if _after_commit:
            for callback in _after_commit.pop(connection, ()):
                callback()

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        if not self.is_sqlite:
            with _domain_errors(), tracing.span("db transaction", transport="DB"):
                with self.engine.begin() as connection:
                    yield connection
            return
        with self._writer, _domain_errors(), tracing.span("db transaction", transport="DB"):
            with self.engine.connect().execution_options(minova_write=True) as connection:
                with connection.begin():
                    yield connection

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A connection for reads; all its queries see one snapshot on SQLite."""
        with self.engine.connect() as connection:
            yield connection

    def dispose(self) -> None:
        self.engine.dispose()


# What a rolled back transaction would have called goes with its connection.
_after_commit: weakref.WeakKeyDictionary[sa.Connection, list[Callable[[], None]]] = (
    weakref.WeakKeyDictionary()
)


def after_commit(connection: sa.Connection, callback: Callable[[], None]) -> None:
    """Call `callback` once the transaction of `connection` is committed, and only then."""
    _after_commit.setdefault(connection, []).append(callback)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    # We emit BEGIN ourselves: the driver's own would come too late to be IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("minova_write")
    statement = "BEGIN IMMEDIATE" if write else "BEGIN"
    # Past SQLAlchemy's cursors, which cost several times what SQLite does for it.
    try:
        connection.connection.driver_connection.execute(statement)  # type: ignore[union-attr]
    except sqlite3.OperationalError as error:
        raise exc.OperationalError(statement, None, error) from error


@contextmanager
def _domain_errors() -> Iterator[None]:
    try:
        yield
    except exc.IntegrityError as error:
        text = str(error.orig)
        if re.search(r"unique|duplicate", text, re.IGNORECASE):
            raise errors.DuplicateEntry(columns=_duplicate_columns(text)) from error
        raise


def _duplicate_columns(text: str) -> str:
    """The column or key names in a driver's message about a duplicate."""
    for pattern in (r"failed: (.+)$", r"for key '([^']+)'", r"Key \(([^)]+)\)="):
        match = re.search(pattern, text, re.MULTILINE)
        if match:
            return ", ".join(part.strip().split(".")[-1] for part in match[1].split(","))
    return "key"


def _is_transient(error: BaseException) -> bool:
    if isinstance(error, exc.DBAPIError) and error.connection_invalidated:
        return True
    if not isinstance(error, exc.OperationalError):
        return False
    text = str(error.orig).lower()
    return any(
        sign in text
        for sign in (
            "deadlock",
            "lock wait timeout",
            "database is locked",
            "could not serialize",
            "lost connection",
            "gone away",
            "can't connect",
            "connection refused",
            "server closed the connection",
        )
    )


_retry = tenacity.retry(
    retry=tenacity.retry_if_exception(_is_transient),
    wait=tenacity.wait_random_exponential(multiplier=0.05, max=1),
    stop=tenacity.stop_after_delay(20),
    reraise=True,
)


def retried(function: Callable[P, R]) -> Callable[P, R]:
    """Run `function` again, up to 20 s, after a deadlock or a lost connection."""
    again = _retry(function)

    @functools.wraps(function)
    def first(*args: P.args, **kwargs: P.kwargs) -> R:
        # tenacity's bookkeeping costs as much as a query: only who fails pays for it.
        try:
            return function(*args, **kwargs)
        except exc.DBAPIError as error:
            if not _is_transient(error):
                raise
        return again(*args, **kwargs)

    return first


def migrate(url: str, package: str) -> None:
    """Bring the database at `url` to the newest schema of `package`'s migrations.

    `package` is a dotted name with an alembic `versions` folder inside, such
    as `minova.db.migrations`. Idempotent.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", package.replace(".", ":", 1).replace(".", "/"))
    config.attributes["url"] = url
    command.upgrade(config, "head")
