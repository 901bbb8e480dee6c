"""The full profile for tests: every program a process, RabbitMQ, a database server."""

import contextlib
import os
import uuid
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from minova.cmd.start import DATABASES, PROGRAMS
from tests import databases
from tests.cloud import Cloud

RABBIT = os.environ.get("MINOVA_TEST_RABBIT_URL", "")


def can_run(kind: str = "mariadb") -> bool:
    """Whether a broker and this kind of database server are named in the environment."""
    return bool(RABBIT) and kind in databases.available()


class FullCloud(Cloud):
    """A cloud whose databases are made on a server, and dropped when it stops."""

    def drop_databases(self) -> None:
        for url in self.databases.values():
            parsed = sa.make_url(url)
            server = sa.create_engine(
                parsed.set(database="postgres" if "postgres" in url else None),
                isolation_level="AUTOCOMMIT",
            )
            with contextlib.suppress(sa.exc.OperationalError), server.connect() as connection:
                force = " WITH (FORCE)" if "postgres" in url else ""
                connection.exec_driver_sql(f"DROP DATABASE {parsed.database}{force}")
            server.dispose()

    def stop(self) -> None:
        super().stop()
        self.drop_databases()


def full_cloud(
    folder: Path,
    kind: str = "mariadb",
    *,
    transport: str = RABBIT,
    like: type[FullCloud] = FullCloud,
    **options: Any,
) -> Any:
    """A full cloud, not started; its databases exist and are empty."""
    urls = {}
    mark = uuid.uuid4().hex[:8]
    base = databases.SERVERS[kind]
    server = sa.create_engine(
        base + ("/postgres" if kind == "postgresql" else "/"), isolation_level="AUTOCOMMIT"
    )
    with server.connect() as connection:
        for group in DATABASES:
            name = f"minova_{mark}_{group}"
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
            urls[group] = f"{base}/{name}"
    server.dispose()
    return like(
        folder,
        transport=transport,
        databases=urls,
        programs=options.pop("programs", list(PROGRAMS)),
        **options,
    )
