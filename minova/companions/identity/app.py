"""The identity service put together: parts, route table, error wording."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import falcon

from minova.common import wsgi
from minova.common.auth import WSGIApp
from minova.common.policy import Enforcer
from minova.companions.identity import schemas, versions
from minova.companions.identity.assignments import Assignments
from minova.companions.identity.auth_api import Auth
from minova.companions.identity.endpoints import Endpoints, Regions, Services
from minova.companions.identity.keys import KeyRing
from minova.companions.identity.login import Login
from minova.companions.identity.passwords import Passwords
from minova.companions.identity.projects import Domains, Projects
from minova.companions.identity.roles import Roles
from minova.companions.identity.tokens import Sealer
from minova.companions.identity.users import Users
from minova.companions.identity.validation import Validator
from minova.db.engine import Database
from minova.policies import identity as policies

# The service's name in logs and in the X-ray.
NAME = "minova-identity"


@dataclass(frozen=True)
class Settings:
    """Times in seconds. `public_endpoint` is the URL without /v3, for WWW-Authenticate."""

    public_endpoint: str
    token_expiration: int = 4 * 3600
    expired_window: int = 48 * 3600
    password_rounds: int = 10
    max_password_length: int = 1024


def build(db: Database, ring: KeyRing, settings: Settings) -> WSGIApp:
    """The WSGI application over `db` and the keys of `ring`."""
    enforcer = Enforcer(policies.list_rules())
    sealer = Sealer(ring)
    passwords = Passwords(settings.password_rounds)
    validator = Validator(db, sealer)
    login = Login(db, passwords, sealer, validator, settings.token_expiration)
    max_password = settings.max_password_length

    projects, domains = Projects(db, enforcer), Domains(db, enforcer)
    auth = Auth(
        db,
        enforcer,
        sealer,
        validator,
        login,
        projects,
        domains,
        max_password,
        settings.expired_window,
    )
    parts: list[Any] = [
        auth,
        domains,
        projects,
        Users(db, enforcer, passwords, login, projects, max_password),
        Roles(db, enforcer),
        Assignments(db, enforcer),
        Regions(db, enforcer),
        Services(db, enforcer),
        Endpoints(db, enforcer),
    ]
    challenge = {"WWW-Authenticate": f'Keystone uri="{settings.public_endpoint}"'}
    return wsgi.build(
        wsgi.App(
            name=NAME,
            routes=[*versions.routes(enforcer), *(r for part in parts for r in part.routes())],
            dialect=_dialect,
            auth=False,
            authenticate=auth.identify,
            before=_vary,
            max_body=schemas.MAX_BODY,
            unauthorized_headers=lambda: challenge,
        )
    )


def _dialect(status: int, message: str, error: Exception) -> dict[str, Any]:
    title = HTTPStatus(status).phrase
    return {"error": {"code": status, "title": title, "message": message}}


def _vary(req: falcon.Request, resp: falcon.Response) -> None:
    resp.set_header("Vary", "X-Auth-Token")
