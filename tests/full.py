"""The full profile for tests: every program a process, RabbitMQ, a database server."""

import contextlib
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from minova.cmd.start import DATABASES, PROGRAMS
from tests import databases
from tests.cloud import Cloud

RABBITMQCTL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
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
    transport: str | None = None,
    like: type[FullCloud] = FullCloud,
    **options: Any,
) -> Any:
    """A full cloud, not started; its databases exist and are empty.

    It shares the broker, not its queues: a cloud that still runs would take its messages.
    """
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
        transport=transport or RABBIT + _own_vhost(f"minova-{mark}"),
        databases=urls,
        programs=options.pop("programs", list(PROGRAMS)),
        **options,
    )


def _own_vhost(name: str) -> str:
    """Make a virtual host at the shared broker; its name."""
    everything = ", ".join(['<<".*">>'] * 3)
    make = (
        f'rabbit_vhost:add(<<"{name}">>, <<"guest">>), rabbit_auth_backend_internal:'
        f'set_permissions(<<"guest">>, <<"{name}">>, {everything}, <<"guest">>).'
    )
    subprocess.run(
        ["runuser", "-u", "rabbitmq", "--", RABBITMQCTL, "eval", make],
        cwd="/",
        env={**os.environ, "HOME": os.environ["MINOVA_TEST_RABBIT_HOME"]},
        check=True,
        capture_output=True,
        timeout=60,
    )
    return name
