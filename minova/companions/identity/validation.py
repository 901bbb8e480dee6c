"""Whether a token is alive, and what it says: two short queries.

`Validator.facts` looks up everything a token leaves open: that its user,
domain and scope still exist and are enabled, that it was not revoked, which
roles the user has there now, and the catalog.
"""

import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from minova.common import context, errors
from minova.companions.identity import catalog, tables
from minova.companions.identity.catalog import Snapshot, SnapshotCache
from minova.companions.identity.tokens import (
    DOMAIN,
    PROJECT,
    SYSTEM,
    UNSCOPED,
    Sealer,
    Token,
    timestamp,
)
from minova.db.engine import Database

SYSTEM_TARGET = "all"
_user_domain = tables.domains.alias("user_domain")
_scope_domain = tables.domains.alias("scope_domain")


@dataclass(frozen=True)
class Facts:
    """A live token and what is true of it now. `scope_*` name its project or domain."""

    token: Token
    user_name: str
    user_domain: dict[str, str]
    scope_name: str
    scope_domain: dict[str, str]
    roles: list[dict[str, str]]
    snapshot: Snapshot

    def body(self, with_catalog: bool = True) -> dict[str, Any]:
        """The `token` object of the API."""
        token = self.token
        body: dict[str, Any] = {
            "methods": list(token.methods),
            "user": {
                "id": token.user_id,
                "name": self.user_name,
                "domain": self.user_domain,
                "password_expires_at": None,
            },
            "audit_ids": list(token.audit_ids),
            "expires_at": timestamp(token.expires_at),
            "issued_at": timestamp(token.issued_at),
        }
        kind = token.scope.kind
        if kind == UNSCOPED:
            return body
        if kind == PROJECT:
            body["project"] = {
                "id": token.scope.id,
                "name": self.scope_name,
                "domain": self.scope_domain,
            }
            body["is_domain"] = False
        elif kind == DOMAIN:
            body["domain"] = {"id": token.scope.id, "name": self.scope_name}
        else:
            body["system"] = {"all": True}
        body["roles"] = self.roles
        if with_catalog:
            body["catalog"] = self.catalog()
        return body

    def catalog(self) -> list[dict[str, Any]]:
        return self.snapshot.catalog(self.token.user_id, self.token.scope)

    def context(self) -> context.RequestContext:
        """The request context of a call made with this token."""
        scope = self.token.scope
        return context.RequestContext(
            user_id=self.token.user_id,
            user_name=self.user_name,
            user_domain_id=self.user_domain["id"],
            project_id=scope.id if scope.kind == PROJECT else None,
            project_name=self.scope_name if scope.kind == PROJECT else None,
            project_domain_id=self.scope_domain["id"] if scope.kind == PROJECT else None,
            domain_id=scope.id if scope.kind == DOMAIN else None,
            system_scope=SYSTEM_TARGET if scope.kind == SYSTEM else None,
            roles=[role["name"] for role in self.roles],
            overwrite=False,
        )


class Validator:
    """Judges tokens against the database. Thread-safe."""

    def __init__(self, db: Database, sealer: Sealer) -> None:
        self._db = db
        self._sealer = sealer
        self._snapshots = SnapshotCache()

    def validate(self, text: str, expired_for: int = 0) -> Facts:
        """What the token `text` says; errors.Unauthorized if it is dead or none of ours.

        One that ended up to `expired_for` seconds ago still counts.
        """
        return self.facts(self._sealer.open(text), expired_for)

    def facts(self, token: Token, expired_for: int = 0) -> Facts:
        """Like `validate`, of a token already opened or not yet sealed."""
        if token.expires_at + expired_for <= time.time():
            raise errors.Unauthorized()
        query = _SUBJECTS[token.scope.kind]
        values = {"user": token.user_id, "scope": token.scope.id, "audit": token.audit_ids[0]}
        with self._db.reading() as connection:
            row = connection.execute(query, values).one_or_none()
            if row is None or row.generation != token.generation or row.revoked:
                raise errors.Unauthorized()
            snapshot = self._snapshots.at(connection, row.revision)
            roles = []
            if token.scope.kind != UNSCOPED:
                roles = snapshot.expand(_assigned(connection, token))
                if not roles:
                    raise errors.Unauthorized()
        return Facts(
            token=token,
            user_name=row.user_name,
            user_domain={"id": row.user_domain_id, "name": row.user_domain_name},
            scope_name=row.scope_name,
            scope_domain={"id": row.scope_domain_id, "name": row.scope_domain_name},
            roles=roles,
            snapshot=snapshot,
        )


def _assigned(connection: sa.Connection, token: Token) -> set[str]:
    kind = token.scope.kind
    target = SYSTEM_TARGET if kind == SYSTEM else token.scope.id
    values = {"user": token.user_id, "kind": kind, "target": target}
    return set(connection.execute(_ASSIGNED, values).scalars())


def _subject(kind: str) -> sa.Select[Any]:
    """Live user and scope of a token, its revocation, the catalog's revision."""
    users, projects, revoked = tables.users, tables.projects, tables.revoked_tokens
    source = users.join(_user_domain, users.c.domain_id == _user_domain.c.id)
    scope: tuple[Any, Any, Any] = (sa.literal(""), sa.literal(""), sa.literal(""))
    conditions = [users.c.id == sa.bindparam("user"), users.c.enabled, _user_domain.c.enabled]
    if kind == PROJECT:
        # One row beside one row: the token is what ties user and scope together.
        source = source.join(projects, sa.true()).join(
            _scope_domain, projects.c.domain_id == _scope_domain.c.id
        )
        scope = (projects.c.name, _scope_domain.c.id, _scope_domain.c.name)
        conditions += [
            projects.c.id == sa.bindparam("scope"),
            projects.c.enabled,
            _scope_domain.c.enabled,
        ]
    elif kind == DOMAIN:
        source = source.join(_scope_domain, sa.true())
        scope = (_scope_domain.c.name, sa.literal(""), sa.literal(""))
        conditions += [_scope_domain.c.id == sa.bindparam("scope"), _scope_domain.c.enabled]
    gone = sa.exists().where(revoked.c.audit_id == sa.bindparam("audit"))
    return (
        sa.select(
            users.c.name.label("user_name"),
            users.c.generation,
            _user_domain.c.id.label("user_domain_id"),
            _user_domain.c.name.label("user_domain_name"),
            scope[0].label("scope_name"),
            scope[1].label("scope_domain_id"),
            scope[2].label("scope_domain_name"),
            gone.label("revoked"),
            catalog.revision,
        )
        .select_from(source)
        .where(*conditions)
    )


_SUBJECTS = {kind: _subject(kind) for kind in (UNSCOPED, PROJECT, DOMAIN, SYSTEM)}
_ASSIGNED = sa.select(tables.assignments.c.role_id).where(
    tables.assignments.c.user_id == sa.bindparam("user"),
    tables.assignments.c.target_kind == sa.bindparam("kind"),
    tables.assignments.c.target_id == sa.bindparam("target"),
)
