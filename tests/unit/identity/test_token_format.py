"""The packed form of a token."""

import base64
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minova.common import errors
from minova.companions.identity import keys
from minova.companions.identity.tokens import (
    DOMAIN,
    MAX_LENGTH,
    PROJECT,
    SYSTEM,
    UNSCOPED,
    Scope,
    Sealer,
    Token,
    new_audit_id,
    timestamp,
)

PROJECT_ID = "0123456789abcdef0123456789abcdef"
audit_ids = st.binary(min_size=16, max_size=16).map(
    lambda raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
)
ids = st.one_of(
    st.uuids().map(lambda u: u.hex),
    st.just("default"),
    st.text(alphabet="abcdef0123456789ABCDEF-é", min_size=1, max_size=32),
)
seconds = st.integers(0, 2**32 - 1)
tokens = st.builds(
    Token,
    user_id=ids,
    generation=seconds,
    scope=st.builds(Scope, st.sampled_from([UNSCOPED, PROJECT, DOMAIN, SYSTEM]), ids | st.just("")),
    methods=st.sampled_from([("password",), ("token",), ("password", "token")]),
    issued_at=seconds,
    expires_at=seconds,
    audit_ids=st.lists(audit_ids, min_size=1, max_size=2).map(tuple),
)


@pytest.fixture(scope="module")
def sealer(tmp_path_factory: pytest.TempPathFactory) -> Sealer:
    folder: Path = tmp_path_factory.mktemp("keys")
    keys.setup(folder)
    return Sealer(keys.KeyRing(folder))


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(token=tokens)
def test_a_token_reads_as_it_was_written(sealer: Sealer, token: Token) -> None:
    text = sealer.seal(token)
    assert len(text) < MAX_LENGTH
    assert sealer.open(text) == token


def test_a_usual_token_is_short(sealer: Sealer) -> None:
    token = Token(
        PROJECT_ID,
        3,
        Scope(PROJECT, PROJECT_ID),
        ("password", "token"),
        1,
        2,
        (new_audit_id(), new_audit_id()),
    )
    assert len(sealer.seal(token)) <= 250


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(max_size=300) | st.binary(max_size=200).map(lambda b: b.hex()))
def test_what_is_no_token_is_refused(sealer: Sealer, text: str) -> None:
    with pytest.raises(errors.Unauthorized):
        sealer.open(text)


def test_a_changed_or_foreign_token_is_refused(sealer: Sealer, tmp_path: Path) -> None:
    token = Token("u", 0, Scope(), ("password",), 1, 2, (new_audit_id(),))
    text = sealer.seal(token)
    for position in range(0, len(text), 7):
        changed = text[:position] + ("A" if text[position] != "A" else "B") + text[position + 1 :]
        if changed[:-1] != text[:-1]:
            with pytest.raises(errors.Unauthorized):
                sealer.open(changed)
    keys.setup(tmp_path)
    with pytest.raises(errors.Unauthorized):
        Sealer(keys.KeyRing(tmp_path)).open(text)


def test_times_are_written_as_keystone_does() -> None:
    assert timestamp(1_767_225_600) == "2026-01-01T00:00:00.000000Z"
