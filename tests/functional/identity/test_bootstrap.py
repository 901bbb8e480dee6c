"""The first content of the cloud, and running it again."""

import dataclasses
import stat
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from oslo_config import cfg

from minova import conf
from minova.common import errors
from minova.companions.identity import bootstrap, keys, service, tables
from minova.db import engine
from tests.functional.identity.server import Identity, plan


def counts(db: engine.Database) -> dict[str, int]:
    with db.reading() as connection:
        return {
            name: connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for name, table in tables.metadata.tables.items()
        }


def test_running_it_again_changes_nothing_and_keeps_tokens_alive(
    identity: Identity, demo: str
) -> None:
    before = counts(identity.db)
    bootstrap.bootstrap(identity.db, plan(identity.url))
    assert counts(identity.db) == before
    assert before["users"] == 6 and before["endpoints"] == 18 and before["services"] == 6
    assert identity.call("GET", "/auth/projects", demo).status_code == 200


def test_a_new_password_and_url_in_the_plan_are_set(identity: Identity, demo: str) -> None:
    changed = dataclasses.replace(
        plan(identity.url),
        demo_password="changed",
        catalog=[bootstrap.CatalogEntry("compute", "nova", "http://moved/v2.1")],
    )
    bootstrap.bootstrap(identity.db, changed)
    assert identity.authenticate("demo").status_code == 401
    assert identity.call("GET", "/auth/projects", demo).status_code == 401
    catalog = identity.call("GET", "/auth/catalog", identity.token("demo", "demo", "changed"))
    urls = {s["type"]: {e["url"] for e in s["endpoints"]} for s in catalog.json()["catalog"]}
    assert urls["compute"] == {"http://moved/v2.1"}
    assert urls["image"] == {"http://127.0.0.1:9292"}


def test_the_plan_shows_no_password() -> None:
    assert "password" not in repr(plan()).replace("password_rounds", "")


def test_the_service_runs_from_its_configuration(tmp_path: Path) -> None:
    conf.register()
    url = f"sqlite:///{tmp_path}/db/identity.sqlite"
    (tmp_path / "db").mkdir()
    for name, value in (("connection", url), ("key_repository", str(tmp_path / "keys"))):
        cfg.CONF.set_override(name, value, "identity")
    cfg.CONF.set_override("port", 0, "identity")
    try:
        engine.migrate(url, service.MIGRATIONS)
        (rest,) = service.services()
        rest.start()
        try:
            running = Identity(rest.port, engine.Database(url), tmp_path / "keys")  # type: ignore[attr-defined]
            assert running.call("GET", "").status_code == 200
            bootstrap.bootstrap(running.db, plan(running.url))
            without_keys = running.authenticate("demo")
            assert without_keys.status_code == 503
            assert str(tmp_path) not in without_keys.text
            keys.setup(tmp_path / "keys")
            assert running.token("demo", "demo")
            running.session.close()
            running.db.dispose()
        finally:
            rest.stop()
        cfg.CONF.set_override("connection", None, "identity")
        with pytest.raises(errors.Invalid, match="connection"):
            service.services()
    finally:
        for name in ("connection", "key_repository", "port"):
            cfg.CONF.clear_override(name, "identity")


def test_migrating_twice_is_fine_and_matches_the_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/identity.sqlite"
    for _ in range(2):
        engine.migrate(url, service.MIGRATIONS)
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    with sa.create_engine(url).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_keys_are_readable_by_their_owner_alone(identity: Identity) -> None:
    assert stat.S_IMODE(identity.repository.stat().st_mode) == 0o700
    for path in identity.repository.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_bootstraps_at_once_make_one_cloud(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/identity.sqlite"
    engine.migrate(url, service.MIGRATIONS)
    db = engine.Database(url)
    threads = [threading.Thread(target=bootstrap.bootstrap, args=(db, plan())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert counts(db)["users"] == 6
    db.dispose()
