"""Who has which role where: the queries, the grants and /v3/role_assignments."""

from collections.abc import Iterable
from typing import Any

import falcon
import sqlalchemy as sa

from minova.common import errors, wsgi
from minova.common.policy import Enforcer
from minova.common.wsgi import Route
from minova.companions.identity import catalog, tables
from minova.companions.identity.catalog import Snapshot, SnapshotCache
from minova.companions.identity.collection import MAX_LISTED, page
from minova.companions.identity.tokens import DOMAIN, PROJECT, SYSTEM
from minova.db.engine import Database, retried

SYSTEM_TARGET = "all"
_rows = tables.assignments
_TARGETS = {PROJECT: tables.projects, DOMAIN: tables.domains}


def projects_of(connection: sa.Connection, user_id: str) -> list[Any]:
    """Rows of the projects in which the user has a role."""
    return _reached(connection, tables.projects, PROJECT, user_id)


def domains_of(connection: sa.Connection, user_id: str) -> list[Any]:
    """Rows of the domains on which the user has a role."""
    return _reached(connection, tables.domains, DOMAIN, user_id)


def grant(connection: sa.Connection, user_id: str, kind: str, target_id: str, role_id: str) -> None:
    """Give the role. Idempotent. The caller has checked that all of them exist."""
    key = _key(user_id, kind, target_id, role_id)
    found = connection.execute(sa.select(_rows.c.role_id).where(*_matches(key)))
    if found.first() is None:
        connection.execute(_rows.insert().values(key))


def forget_user(connection: sa.Connection, user_id: str) -> None:
    """Take every role from a user about to be deleted."""
    connection.execute(_rows.delete().where(_rows.c.user_id == user_id))


def forget_target(connection: sa.Connection, kind: str, target_id: str) -> None:
    """Take every role on a project or domain about to be deleted."""
    connection.execute(
        _rows.delete().where(_rows.c.target_kind == kind, _rows.c.target_id == target_id)
    )


class Assignments:
    """Handlers of grants on projects, domains and the system, and of their list."""

    def __init__(self, db: Database, enforcer: Enforcer) -> None:
        self._db = db
        self._enforcer = enforcer
        self._snapshots = SnapshotCache()

    def routes(self) -> list[Route]:
        routes = [Route("GET", "/v3/role_assignments", self.index)]
        for base in (
            "/v3/projects/{project_id}/users/{user_id}/roles",
            "/v3/domains/{domain_id}/users/{user_id}/roles",
            "/v3/system/users/{user_id}/roles",
        ):
            one = f"{base}/{{role_id}}"
            routes += [
                Route("GET", base, self.list_grants),
                Route("GET", one, self.check, 204),
                Route("HEAD", one, self.check, 204),
                Route("PUT", one, self.create, 204),
                Route("DELETE", one, self.revoke, 204),
            ]
        return routes

    def list_grants(self, req: falcon.Request, resp: falcon.Response, **ids: str) -> Any:
        self._enforcer.authorize(req.context.ctxt, "identity:list_grants")
        kind, target_id = _target(ids)
        roles = tables.roles
        query = (
            sa.select(roles)
            .join(_rows, _rows.c.role_id == roles.c.id)
            .where(
                _rows.c.user_id == ids["user_id"],
                _rows.c.target_kind == kind,
                _rows.c.target_id == target_id,
            )
            .order_by(roles.c.name)
        )
        with self._db.reading() as connection:
            _require(connection, ids["user_id"], kind, target_id)
            found = connection.execute(query).all()
        base = f"{wsgi.base_url(req)}/v3/roles"
        return page(
            req,
            "roles",
            [
                {
                    "id": row.id,
                    "name": row.name,
                    "domain_id": None,
                    "description": row.description,
                    "options": {},
                    "links": {"self": f"{base}/{row.id}"},
                }
                for row in found
            ],
        )

    def check(self, req: falcon.Request, resp: falcon.Response, **ids: str) -> None:
        self._enforcer.authorize(req.context.ctxt, "identity:check_grant")
        kind, target_id = _target(ids)
        with self._db.reading() as connection:
            _require(connection, ids["user_id"], kind, target_id, ids["role_id"])
            key = _key(ids["user_id"], kind, target_id, ids["role_id"])
            if connection.execute(sa.select(_rows.c.role_id).where(*_matches(key))).first() is None:
                raise _not_granted(ids["role_id"])

    def create(self, req: falcon.Request, resp: falcon.Response, **ids: str) -> None:
        self._enforcer.authorize(req.context.ctxt, "identity:create_grant")
        self._grant(ids["user_id"], *_target(ids), ids["role_id"])

    def revoke(self, req: falcon.Request, resp: falcon.Response, **ids: str) -> None:
        self._enforcer.authorize(req.context.ctxt, "identity:revoke_grant")
        self._revoke(ids["user_id"], *_target(ids), ids["role_id"])

    def index(self, req: falcon.Request, resp: falcon.Response) -> Any:
        user_id = req.get_param("user.id")
        self._enforcer.authorize(
            req.context.ctxt, "identity:list_role_assignments", {"user_id": user_id or ""}
        )
        if any("\0" in value for value in req.params.values() if isinstance(value, str)):
            return page(req, "role_assignments", [])
        effective = _flag(req, "effective")
        with self._db.reading() as connection:
            rows = connection.execute(_named_rows(req)).all()
            revision = connection.execute(sa.select(catalog.revision)).scalar_one()
            snapshot = self._snapshots.at(connection, revision)
        base = f"{wsgi.base_url(req)}/v3"
        items = [
            item
            for row in rows
            for item in _items(base, row, snapshot, effective, _flag(req, "include_names"))
        ]
        wanted = req.get_param("role.id")
        if wanted is not None:
            items = [item for item in items if item["role"]["id"] == wanted]
        return page(req, "role_assignments", items)

    @retried
    def _grant(self, user_id: str, kind: str, target_id: str, role_id: str) -> None:
        with self._db.transaction() as connection:
            _require(connection, user_id, kind, target_id, role_id, lock=True)
            grant(connection, user_id, kind, target_id, role_id)

    @retried
    def _revoke(self, user_id: str, kind: str, target_id: str, role_id: str) -> None:
        with self._db.transaction() as connection:
            _require(connection, user_id, kind, target_id, role_id)
            key = _key(user_id, kind, target_id, role_id)
            if not connection.execute(_rows.delete().where(*_matches(key))).rowcount:
                raise _not_granted(role_id)


def _reached(connection: sa.Connection, table: sa.Table, kind: str, user_id: str) -> list[Any]:
    given = sa.select(_rows.c.target_id).where(
        _rows.c.user_id == user_id, _rows.c.target_kind == kind
    )
    query = table.select().where(table.c.id.in_(given)).order_by(table.c.name)
    return list(connection.execute(query.limit(MAX_LISTED)).all())


def _target(ids: dict[str, str]) -> tuple[str, str]:
    """The kind and id of what a grant's path names."""
    for kind in (PROJECT, DOMAIN):
        if f"{kind}_id" in ids:
            return kind, ids[f"{kind}_id"]
    return SYSTEM, SYSTEM_TARGET


def _require(
    connection: sa.Connection,
    user_id: str,
    kind: str,
    target_id: str,
    role_id: str | None = None,
    lock: bool = False,
) -> None:
    """NotFound unless all exist; `lock` keeps them until the transaction ends."""
    wanted: list[tuple[str, sa.Table, str]] = [("user", tables.users, user_id)]
    if kind in _TARGETS:
        wanted.append((kind, _TARGETS[kind], target_id))
    if role_id is not None:
        wanted.append(("role", tables.roles, role_id))
    for word, table, row_id in wanted:
        found = None
        if "\0" not in row_id:
            query = sa.select(table.c.id).where(table.c.id == row_id)
            found = connection.execute(query.with_for_update() if lock else query).first()
        if found is None:
            raise errors.NotFound(f"Could not find {word}: {row_id[:255]}.")


def _key(user_id: str, kind: str, target_id: str, role_id: str) -> dict[str, str]:
    return {"user_id": user_id, "target_kind": kind, "target_id": target_id, "role_id": role_id}


def _matches(key: dict[str, str]) -> Iterable[Any]:
    return [_rows.c[name] == value for name, value in key.items()]


def _not_granted(role_id: str) -> errors.NotFound:
    return errors.NotFound(f"Could not find role assignment with role: {role_id}.")


def _flag(req: falcon.Request, name: str) -> bool:
    """A query flag: present without a value, or with any but a word for no."""
    value = req.get_param(name)
    return value is not None and value.lower() not in ("0", "false", "no")


def _named_rows(req: falcon.Request) -> sa.Select[Any]:
    """The asked-for assignments with the names of all they mention."""
    users, projects, domains = tables.users, tables.projects, tables.domains
    user_domain, project_domain = domains.alias("user_domain"), domains.alias("project_domain")
    query = (
        sa.select(
            _rows,
            users.c.name.label("user_name"),
            user_domain.c.id.label("user_domain_id"),
            user_domain.c.name.label("user_domain_name"),
            projects.c.name.label("project_name"),
            project_domain.c.id.label("project_domain_id"),
            project_domain.c.name.label("project_domain_name"),
            domains.c.name.label("domain_name"),
        )
        .join(users, users.c.id == _rows.c.user_id)
        .join(user_domain, user_domain.c.id == users.c.domain_id)
        .outerjoin(
            projects, sa.and_(_rows.c.target_kind == PROJECT, projects.c.id == _rows.c.target_id)
        )
        .outerjoin(project_domain, project_domain.c.id == projects.c.domain_id)
        .outerjoin(
            domains, sa.and_(_rows.c.target_kind == DOMAIN, domains.c.id == _rows.c.target_id)
        )
        .order_by(_rows.c.user_id, _rows.c.target_kind, _rows.c.target_id, _rows.c.role_id)
        .limit(MAX_LISTED)
    )
    conditions = []
    if (user_id := req.get_param("user.id")) is not None:
        conditions.append(_rows.c.user_id == user_id)
    for kind in (PROJECT, DOMAIN):
        if (target_id := req.get_param(f"scope.{kind}.id")) is not None:
            conditions += [_rows.c.target_kind == kind, _rows.c.target_id == target_id]
    if req.get_param("scope.system") is not None:
        conditions.append(_rows.c.target_kind == SYSTEM)
    # There are no groups and no inherited roles: what asks for them finds nothing.
    if any(req.has_param(name) for name in ("group.id", "scope.OS-INHERIT:inherited_to")):
        conditions.append(sa.false())
    return query.where(*conditions)


def _items(
    base: str, row: Any, snapshot: Snapshot, effective: bool, named: bool
) -> list[dict[str, Any]]:
    """One assignment as the API shows it; `effective` adds the roles that it brings."""
    target = f"system/users/{row.user_id}"
    scope: dict[str, Any] = {"system": {"all": True}}
    user: dict[str, Any] = {"id": row.user_id}
    if row.target_kind != SYSTEM:
        scope = {row.target_kind: {"id": row.target_id}}
        target = f"{row.target_kind}s/{row.target_id}/users/{row.user_id}"
    if named:
        user |= {
            "name": row.user_name,
            "domain": {"id": row.user_domain_id, "name": row.user_domain_name},
        }
        if row.target_kind == PROJECT:
            domain = {"id": row.project_domain_id, "name": row.project_domain_name}
            scope[PROJECT] |= {"name": row.project_name, "domain": domain}
        elif row.target_kind == DOMAIN:
            scope[DOMAIN]["name"] = row.domain_name
    links = {"assignment": f"{base}/{target}/roles/{row.role_id}"}
    roles = [row.role_id]
    if effective:
        roles = [role["id"] for role in snapshot.expand({row.role_id})]
    items = []
    for role_id in roles:
        role = {"id": role_id}
        if named:
            role["name"] = snapshot.role_names[role_id]
        item_links = dict(links)
        if role_id != row.role_id:
            item_links["prior_role"] = f"{base}/roles/{row.role_id}"
        items.append({"scope": scope, "user": user, "role": role, "links": item_links})
    return items
