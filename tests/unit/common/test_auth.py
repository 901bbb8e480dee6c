"""A token known from a moment ago: the same identity, none of the client's own claims."""

import datetime as dt
import time

from keystonemiddleware.auth_token import _request

from minova.common import auth


def confirmed(token: str = "t", seconds: float = 3600, **facts: object) -> dict[str, object]:
    """A request as auth_token hands it on."""
    expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    stamp = expires.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {
        "HTTP_X_AUTH_TOKEN": token,
        "HTTP_X_IDENTITY_STATUS": "Confirmed",
        "HTTP_X_PROJECT_ID": "mine",
        "HTTP_X_ROLES": "member",
        "keystone.token_info": {"token": {"expires_at": stamp, **facts}},
    }


def known(environ: dict[str, object], seconds: float = 300) -> auth._KnownTokens:
    """What is remembered of a request whose answer of identity holds that long."""
    tokens = auth._KnownTokens()
    tokens.remember(environ, time.monotonic() + seconds)
    return tokens


def test_every_header_of_auth_token_is_in_the_table() -> None:
    request = _request._AuthTokenRequest.blank("/")
    named = {f"HTTP_{n.upper().replace('-', '_')}" for n in request._all_auth_headers()}
    assert named <= auth.IDENTITY_HEADERS


def test_a_known_token_brings_its_identity_and_no_forged_header() -> None:
    forged = dict.fromkeys(auth.IDENTITY_HEADERS, "forged")
    environ: dict[str, object] = {"HTTP_X_AUTH_TOKEN": "t", "HTTP_ACCEPT": "*/*", **forged}
    assert known(confirmed()).recognise(environ)
    assert "forged" not in environ.values()
    assert environ["HTTP_X_PROJECT_ID"] == "mine" and environ["HTTP_ACCEPT"] == "*/*"


def test_an_unknown_refused_or_expiring_token_is_validated_again() -> None:
    asked: dict[str, object] = {"HTTP_X_AUTH_TOKEN": "t"}
    refused = {**confirmed(), "HTTP_X_IDENTITY_STATUS": "Invalid"}
    for environ in (confirmed("other"), confirmed(seconds=-1), refused):
        assert not known(environ).recognise(dict(asked))
    assert not known(confirmed()).recognise({})


def test_what_depends_on_the_request_is_validated_each_time() -> None:
    asked: dict[str, object] = {"HTTP_X_AUTH_TOKEN": "t"}
    for facts in ({"application_credential": {"access_rules": []}}, {"bind": {"kerberos": "a"}}):
        assert not known(confirmed(**facts)).recognise(dict(asked))
    with_service = {**asked, "HTTP_X_SERVICE_TOKEN": "s"}
    assert not known(confirmed()).recognise(with_service)
    assert not known({**confirmed(), "HTTP_X_SERVICE_TOKEN": "s"}).recognise(dict(asked))


def test_no_token_outlives_the_answer_it_came_from() -> None:
    assert not known(confirmed(), seconds=-1).recognise({"HTTP_X_AUTH_TOKEN": "t"})
