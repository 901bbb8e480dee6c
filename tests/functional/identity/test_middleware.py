"""keystonemiddleware, unmodified, in front of a service, with this identity behind it."""

import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from keystonemiddleware import auth_token
from oslo_config import cfg
from webob import Request

from tests.functional.identity.server import PASSWORDS, Identity

Ask = Callable[..., tuple[int, dict[str, str], Any]]


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A service that answers with the identity headers it got."""
    start_response("200 OK", [("Content-Type", "application/json")])
    seen = {k: v for k, v in environ.items() if k.startswith("HTTP_X_") and isinstance(v, str)}
    return [json.dumps(seen).encode()]


@pytest.fixture
def ask(identity: Identity) -> Ask:
    # Options of its own: auth_token registers required ones, which other tests do not have.
    own = cfg.ConfigOpts()
    own([], project="minova", default_config_files=[], default_config_dirs=[])
    middleware = auth_token.AuthProtocol(
        echo,
        {
            "oslo_config_config": own,
            "auth_type": "password",
            "auth_url": identity.url,
            "username": "nova",
            "password": PASSWORDS["nova"],
            "project_name": "service",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
            "www_authenticate_uri": identity.url,
            "interface": "internal",
            "service_token_roles_required": True,
            "token_cache_time": -1,
        },
    )

    def ask(**headers: str) -> tuple[int, dict[str, str], Any]:
        request = Request.blank("/")
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        answer = request.get_response(middleware)
        body = answer.json if answer.status_int == 200 else answer.text
        return answer.status_int, dict(answer.headers), body

    return ask


def test_a_service_learns_who_asks(identity: Identity, ask: Ask, demo: str) -> None:
    status, _, seen = ask(X_Auth_Token=demo)
    assert status == 200
    assert seen["HTTP_X_IDENTITY_STATUS"] == "Confirmed"
    assert seen["HTTP_X_USER_NAME"] == "demo"
    assert seen["HTTP_X_PROJECT_NAME"] == "demo"
    assert seen["HTTP_X_USER_DOMAIN_ID"] == "default"
    assert set(seen["HTTP_X_ROLES"].split(",")) == {"member", "reader"}


def test_the_roles_of_admin_include_those_it_implies(ask: Ask, admin: str) -> None:
    _, _, seen = ask(X_Auth_Token=admin)
    assert set(seen["HTTP_X_ROLES"].split(",")) == {"admin", "manager", "member", "reader"}


def test_a_request_without_a_token_is_refused(ask: Ask) -> None:
    status, headers, body = ask()
    assert status == 401
    assert headers["WWW-Authenticate"].startswith("Keystone uri=")
    assert "The request you have made requires authentication." in body


def test_a_revoked_token_is_refused(identity: Identity, ask: Ask, demo: str) -> None:
    assert ask(X_Auth_Token=demo)[0] == 200
    identity.call("DELETE", "/auth/tokens", demo, headers={"X-Subject-Token": demo})
    assert ask(X_Auth_Token=demo)[0] == 401


def test_cve_2026_22797_identity_headers_of_a_client_are_stripped(ask: Ask, demo: str) -> None:
    forged = {"X_Roles": "admin", "X_User_Id": "someone", "X_Is_Admin_Project": "True"}
    status, _, seen = ask(X_Auth_Token=demo, **forged)
    assert status == 200
    assert set(seen["HTTP_X_ROLES"].split(",")) == {"member", "reader"}
    assert seen["HTTP_X_USER_ID"] != "someone"
    assert ask(**forged)[0] == 401


def test_a_service_token_comes_along_with_a_users(identity: Identity, ask: Ask, demo: str) -> None:
    service = identity.token("nova", "service")
    status, _, seen = ask(X_Auth_Token=demo, X_Service_Token=service)
    assert status == 200
    assert "service" in seen["HTTP_X_SERVICE_ROLES"].split(",")
