"""Databases for tests: SQLite always, MariaDB and PostgreSQL where a server is named.

`MINOVA_TEST_MARIADB_URL` and `MINOVA_TEST_POSTGRES_URL` name servers on
which databases may be made (tools/run-tests.sh starts them).
"""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

SERVERS = {
    "sqlite": "",
    "mariadb": os.environ.get("MINOVA_TEST_MARIADB_URL", ""),
    "postgresql": os.environ.get("MINOVA_TEST_POSTGRES_URL", ""),
}


def available() -> list[str]:
    """The kinds of database that tests can use here."""
    return [kind for kind, url in SERVERS.items() if url or kind == "sqlite"]


@contextmanager
def fresh(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database of this kind; it is gone after the block."""
    if kind == "sqlite":
        yield f"sqlite:///{folder}/{uuid.uuid4().hex}.sqlite"
        return
    name = f"minova_{uuid.uuid4().hex[:12]}"
    server = sa.create_engine(
        SERVERS[kind] + ("/postgres" if kind == "postgresql" else "/"), isolation_level="AUTOCOMMIT"
    )
    with server.connect() as connection:
        # A default that our migrations must not depend on.
        charset = " CHARACTER SET latin1" if kind == "mariadb" else ""
        connection.exec_driver_sql(f"CREATE DATABASE {name}{charset}")
    try:
        yield f"{SERVERS[kind]}/{name}"
    finally:
        with server.connect() as connection:
            force = " WITH (FORCE)" if kind == "postgresql" else ""
            connection.exec_driver_sql(f"DROP DATABASE {name}{force}")
        server.dispose()
