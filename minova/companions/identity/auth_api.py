"""/v3/auth: getting, checking and revoking tokens, and what they reach.

POST /v3/auth/tokens is step 1 of a launch; its span carries the token's
audit ids, by which the X-ray finds it. GET /v3/auth/tokens is what
keystonemiddleware asks in step 3.
"""

import time
from typing import Any

import falcon
import sqlalchemy as sa

from minova.common import context, errors, tracing, wsgi
from minova.common.policy import Enforcer
from minova.common.wsgi import Route
from minova.companions.identity import assignments, schemas, tables
from minova.companions.identity.collection import page
from minova.companions.identity.login import Login
from minova.companions.identity.projects import Domains, Projects
from minova.companions.identity.tokens import SYSTEM, UNSCOPED, Sealer
from minova.companions.identity.validation import Facts, Validator
from minova.db.engine import Database, retried

SUBJECT = "X-Subject-Token"
STEP = 1


class Auth:
    """Handlers of /v3/auth."""

    def __init__(
        self,
        db: Database,
        enforcer: Enforcer,
        sealer: Sealer,
        validator: Validator,
        login: Login,
        projects: Projects,
        domains: Domains,
        max_password: int,
        expired_window: int,
    ) -> None:
        self._db = db
        self._enforcer = enforcer
        self._sealer = sealer
        self._validator = validator
        self._login = login
        self._projects = projects
        self._domains = domains
        self._check = schemas.auth(max_password)
        self._expired_window = expired_window

    def routes(self) -> list[Route]:
        tokens = "/v3/auth/tokens"
        return [
            Route("POST", tokens, self.create_token, 201, public=True),
            Route("GET", tokens, self.show_token),
            Route("HEAD", tokens, self.show_token),
            Route("DELETE", tokens, self.revoke_token, 204),
            Route("GET", "/v3/auth/catalog", self.show_catalog),
            Route("GET", "/v3/auth/projects", self.list_projects),
            Route("GET", "/v3/auth/domains", self.list_domains),
            Route("GET", "/v3/auth/system", self.show_system),
        ]

    def identify(self, req: falcon.Request) -> context.RequestContext | None:
        """Who asks, by X-Auth-Token; None without a live one. For `wsgi.App.authenticate`."""
        text = req.get_header("X-Auth-Token")
        if not text:
            return None
        try:
            req.context.facts = self._validator.validate(text)
        except errors.Unauthorized:
            return None
        ctxt: context.RequestContext = req.context.facts.context()
        return ctxt

    def create_token(self, req: falcon.Request, resp: falcon.Response) -> Any:
        body = wsgi.body_of(req)
        self._check(body)
        facts = self._login.authenticate(body["auth"])
        audit_id, *chain = facts.token.audit_ids
        tracing.annotate(
            step=STEP,
            audit_id=audit_id,
            audit_parent=chain[0] if chain else None,
            user_id=facts.token.user_id,
        )
        resp.set_header(SUBJECT, self._sealer.seal(facts.token))
        return self._shown(req, facts)

    def show_token(self, req: falcon.Request, resp: falcon.Response) -> Any:
        text, facts = self._subject(req, "identity:validate_token")
        resp.set_header(SUBJECT, text)
        return self._shown(req, facts)

    def revoke_token(self, req: falcon.Request, resp: falcon.Response) -> None:
        _, facts = self._subject(req, "identity:revoke_token")
        self._revoke(facts.token.audit_ids[0], facts.token.expires_at)

    def show_catalog(self, req: falcon.Request, resp: falcon.Response) -> Any:
        facts: Facts = req.context.facts
        if facts.token.scope.kind == UNSCOPED:
            raise errors.Forbidden(action="identity:get_auth_catalog without a scope")
        link = f"{wsgi.base_url(req)}{req.path}"
        return {"catalog": facts.catalog(), "links": {"self": link}}

    def list_projects(self, req: falcon.Request, resp: falcon.Response) -> Any:
        """The projects the caller could scope a token to; his roles: /v3/role_assignments."""
        with self._db.reading() as connection:
            rows = assignments.projects_of(connection, req.context.ctxt.user_id)
        shown = [self._projects.view(req, row) for row in rows if row.enabled]
        return page(req, "projects", shown)

    def list_domains(self, req: falcon.Request, resp: falcon.Response) -> Any:
        with self._db.reading() as connection:
            rows = assignments.domains_of(connection, req.context.ctxt.user_id)
        shown = [self._domains.view(req, row) for row in rows if row.enabled]
        return page(req, "domains", shown)

    def show_system(self, req: falcon.Request, resp: falcon.Response) -> Any:
        held = tables.assignments
        query = sa.select(held.c.role_id).where(
            held.c.user_id == req.context.ctxt.user_id, held.c.target_kind == SYSTEM
        )
        with self._db.reading() as connection:
            found = connection.execute(query.limit(1)).first()
        link = f"{wsgi.base_url(req)}{req.path}"
        return {"system": [{"all": True}] if found else [], "links": {"self": link}}

    def _subject(self, req: falcon.Request, rule: str) -> tuple[str, Facts]:
        """The token that X-Subject-Token names, if the caller may handle it."""
        text = req.get_header(SUBJECT)
        if not text:
            raise errors.Invalid(f"Name the token in the {SUBJECT} header.")
        ctxt = req.context.ctxt
        try:
            if text == req.get_header("X-Auth-Token"):
                facts: Facts = req.context.facts
            else:
                facts = self._validator.validate(text, self._expired_for(req))
        except errors.Unauthorized:
            raise errors.NotFound("Could not find token.") from None
        self._enforcer.authorize(ctxt, rule, {"user_id": facts.token.user_id})
        return text, facts

    def _expired_for(self, req: falcon.Request) -> int:
        """How dead a token may be: services finish work that outlives their user's token."""
        wanted = req.get_param("allow_expired") in ("1", "true", "True")
        trusted = {"admin", "service"} & set(req.context.ctxt.roles)
        return self._expired_window if wanted and trusted and req.method != "DELETE" else 0

    def _shown(self, req: falcon.Request, facts: Facts) -> dict[str, Any]:
        return {"token": facts.body(with_catalog=not req.has_param("nocatalog"))}

    @retried
    def _revoke(self, audit_id: str, expires_at: int) -> None:
        revoked = tables.revoked_tokens
        with self._db.transaction() as connection:
            # What has ended long ago can be forgotten.
            horizon = int(time.time()) - self._expired_window
            connection.execute(revoked.delete().where(revoked.c.expires_at < horizon))
            known = sa.select(revoked.c.audit_id).where(revoked.c.audit_id == audit_id)
            if connection.execute(known).first() is None:
                connection.execute(
                    revoked.insert().values(audit_id=audit_id, expires_at=expires_at)
                )
