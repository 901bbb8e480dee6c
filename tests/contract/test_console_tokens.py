"""Consoles' tokens, on every database: each opens one console of one server, once, in time."""

import datetime as dt
import uuid
from typing import Any

import pytest

from minova.common.context import RequestContext
from minova.db import console_tokens, instances, states
from minova.db.console_tokens import hash_of
from minova.db.engine import Database
from minova.model.instance import Instance, utcnow
from tests.contract.test_database import LEASE, active, ctxt, launched, together

__all__ = ["ctxt"]


def a_token(db: Database, instance: Instance, seconds: int = 60) -> str:
    token = uuid.uuid4().hex
    console_tokens.add(db, token, instance.uuid, "vnc", seconds)
    return token


def use(db: Database, token: str, host: str | None) -> Any:
    return console_tokens.use(db, hash_of(token), str(host))


def test_a_token_opens_what_it_is_for(db: Database, ctxt: RequestContext) -> None:
    server = active(db, ctxt)
    token = a_token(db, server)
    found = console_tokens.find(db, token)
    assert found is not None
    assert (found.instance_uuid, found.protocol, found.host) == (server.uuid, "vnc", server.host)
    grant = use(db, token, server.host)
    assert (grant.instance.uuid, grant.protocol) == (server.uuid, "vnc")


def test_of_many_at_once_one_gets_in(db: Database, ctxt: RequestContext) -> None:
    server = active(db, ctxt)
    token = a_token(db, server)
    grants = together(8, lambda _: use(db, token, server.host))
    assert sum(grant is not None for grant in grants) == 1
    assert use(db, token, server.host) is None and console_tokens.find(db, token) is None


def test_only_the_servers_own_host_opens_it(db: Database, ctxt: RequestContext) -> None:
    server = active(db, ctxt)
    token = a_token(db, server)
    assert use(db, token, "another") is None
    assert use(db, token, server.host) is not None  # and that did not use it up


def test_a_token_has_its_time(
    db: Database, ctxt: RequestContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = active(db, ctxt)
    token, other = a_token(db, server, seconds=5), a_token(db, server, seconds=600)
    later = utcnow() + dt.timedelta(seconds=6)
    monkeypatch.setattr(console_tokens, "utcnow", lambda: later)
    assert console_tokens.find(db, token) is None and use(db, token, server.host) is None
    a_token(db, server)  # the next one sweeps
    with db.reading() as connection:
        query = console_tokens.tables.console_tokens.select()
        kept = {row.token_hash for row in connection.execute(query)}
    assert hash_of(token) not in kept and hash_of(other) in kept


def test_from_a_delete_on_a_token_opens_nothing(db: Database, ctxt: RequestContext) -> None:
    server = active(db, ctxt)
    token = a_token(db, server)
    states.begin(db, ctxt, server.uuid, "delete", lease_seconds=LEASE)
    assert instances.get(db, server.uuid).task_state == "deleting"
    assert console_tokens.find(db, token) is None and use(db, token, server.host) is None


def test_a_server_without_a_host_has_no_console(db: Database, ctxt: RequestContext) -> None:
    server, _ = launched(db, ctxt)
    token = a_token(db, server)
    assert console_tokens.find(db, token) is None and use(db, token, None) is None


def test_the_database_never_holds_the_token(db: Database, ctxt: RequestContext) -> None:
    token = a_token(db, active(db, ctxt))
    with db.reading() as connection:
        rows = connection.execute(console_tokens.tables.console_tokens.select()).all()
    assert rows and token not in str(rows)
