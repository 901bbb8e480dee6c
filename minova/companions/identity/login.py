"""What POST /v3/auth/tokens decides: who it is, for which scope, until when.

Step 1 of a launch. Every refusal is the same 401, and takes the same time
whether the user exists or not; the reason goes to the log.
"""

import logging
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.companions.identity import tables
from minova.companions.identity.passwords import Passwords
from minova.companions.identity.tokens import (
    DOMAIN,
    PROJECT,
    SYSTEM,
    Scope,
    Sealer,
    Token,
    new_audit_id,
)
from minova.companions.identity.validation import Facts, Validator
from minova.db.engine import Database

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Proof:
    """One method's outcome: who the caller is. `parent` is the token that proved it."""

    user_id: str
    generation: int
    default_project_id: str | None = None
    parent: Token | None = None


class Login:
    """Turns credentials into a token's facts."""

    def __init__(
        self,
        db: Database,
        passwords: Passwords,
        sealer: Sealer,
        validator: Validator,
        lifetime: int,
    ) -> None:
        self._db = db
        self._passwords = passwords
        self._sealer = sealer
        self._validator = validator
        self._lifetime = lifetime
        self._methods = {"password": self._by_password, "token": self._by_token}

    def authenticate(self, auth: dict[str, Any]) -> Facts:
        """The facts of a new token for the `auth` object of a (schema-checked) request.

        Without a scope the user's default project is taken when he has a
        role there. Raises Invalid for a request that lacks something and
        Unauthorized for everything else.
        """
        proof = self._prove(auth["identity"])
        wanted = auth.get("scope")
        if wanted is None:
            if proof.default_project_id:
                try:
                    return self._issue(proof, Scope(PROJECT, proof.default_project_id))
                except errors.Unauthorized:
                    LOG.debug("user %s has no role in his default project", proof.user_id)
            return self._issue(proof, Scope())
        return self._issue(proof, self._scope(wanted))

    def check_password(self, user_id: str, password: str) -> None:
        """Unauthorized unless `password` is the one of the enabled user `user_id`."""
        self._by_password({"user": {"id": user_id, "password": password}})

    def _prove(self, identity: dict[str, Any]) -> Proof:
        proofs = []
        for name in dict.fromkeys(identity["methods"]):
            if name not in self._methods:
                raise errors.Unauthorized("Attempted to authenticate with an unsupported method.")
            if name not in identity:
                raise errors.Invalid(
                    f"Expecting to find {name} in identity. The server could not comply with the "
                    "request since it is either malformed or otherwise incorrect."
                )
            proofs.append(self._methods[name](identity[name]))
        if len({proof.user_id for proof in proofs}) != 1:
            LOG.info("refused a login whose methods name different users")
            raise errors.Unauthorized()
        # A token among the methods bounds the new token's life.
        return next((proof for proof in proofs if proof.parent is not None), proofs[0])

    def _by_password(self, given: dict[str, Any]) -> Proof:
        user = given["user"]
        row = self._find_user(user)
        stored = row.password_hash if row is not None else None
        if not self._passwords.matches(user["password"], stored) or row is None:
            LOG.info("refused a login: wrong user or password")
            raise errors.Unauthorized()
        if not (row.enabled and row.domain_enabled):
            LOG.info("refused the login of disabled user %s", row.id)
            raise errors.Unauthorized()
        return Proof(row.id, row.generation, row.default_project_id)

    def _by_token(self, given: dict[str, Any]) -> Proof:
        parent = self._validator.validate(given["id"]).token
        row = self._find_user({"id": parent.user_id})
        if row is None:
            raise errors.Unauthorized()
        # The generation is the parent's: what kills it kills its children.
        return Proof(parent.user_id, parent.generation, row.default_project_id, parent)

    def _issue(self, proof: Proof, scope: Scope) -> Facts:
        now = int(time.time())
        expires_at = now + self._lifetime
        methods: tuple[str, ...] = ("password",)
        chain: tuple[str, ...] = ()
        if proof.parent is not None:
            expires_at = min(expires_at, proof.parent.expires_at)
            methods = tuple(dict.fromkeys((*proof.parent.methods, "token")))
            chain = proof.parent.audit_ids[-1:]
        token = Token(
            user_id=proof.user_id,
            generation=proof.generation,
            scope=scope,
            methods=methods,
            issued_at=now,
            expires_at=expires_at,
            audit_ids=(new_audit_id(), *chain),
        )
        return self._validator.facts(token)

    def _find_user(self, user: dict[str, Any]) -> Any:
        users, domains = tables.users, tables.domains
        query = sa.select(users, domains.c.enabled.label("domain_enabled")).join(
            domains, users.c.domain_id == domains.c.id
        )
        with self._db.reading() as connection:
            return connection.execute(query.where(*_named(users, "user", user))).one_or_none()

    def _scope(self, wanted: Any) -> Scope:
        if wanted == "unscoped" or "unscoped" in wanted:
            return Scope()
        if len(wanted) != 1:
            raise errors.Invalid("Name one scope: project, domain, system or unscoped.")
        if SYSTEM in wanted:
            return Scope(SYSTEM)
        for kind, table in ((PROJECT, tables.projects), (DOMAIN, tables.domains)):
            if kind in wanted:
                return Scope(kind, self._find_target(kind, table, wanted[kind]))
        raise errors.Invalid("Name a scope of project, domain, system or unscoped.")

    def _find_target(self, kind: str, table: sa.Table, wanted: dict[str, Any]) -> str:
        if "id" in wanted:
            return str(wanted["id"])
        with self._db.reading() as connection:
            query = sa.select(table.c.id).where(*_named(table, kind, wanted))
            found = connection.execute(query).scalar_one_or_none()
        if found is None:
            LOG.info("refused a login for an unknown %s", kind)
            raise errors.Unauthorized()
        return str(found)


def _named(table: sa.Table, kind: str, wanted: dict[str, Any]) -> list[Any]:
    """Conditions for `{"id"}` or `{"name", "domain": {"id" or "name"}}`; Invalid for less."""
    if "id" in wanted:
        return [table.c.id == wanted["id"]]
    if "name" not in wanted:
        raise errors.Invalid(f"Expecting to find id or name in {kind}.")
    conditions = [table.c.name == wanted["name"]]
    if "domain_id" not in table.c:
        return conditions
    domain = wanted.get("domain") or {}
    if "id" in domain:
        return [*conditions, table.c.domain_id == domain["id"]]
    if "name" not in domain:
        raise errors.Invalid(f"Expecting to find domain in {kind}.")
    domains = tables.domains
    named = sa.select(domains.c.id).where(domains.c.name == domain["name"]).scalar_subquery()
    return [*conditions, table.c.domain_id == named]
