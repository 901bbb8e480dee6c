"""/v3/domains and /v3/projects."""

from typing import Any

import sqlalchemy as sa

from minova.common import errors
from minova.companions.identity import assignments, schemas, tables
from minova.companions.identity.collection import Collection
from minova.companions.identity.tokens import DOMAIN, PROJECT

DEFAULT_DOMAIN = "default"
_TAGS: schemas.Schema = {"type": "array", "items": schemas.NAME, "maxItems": 80}


class Domains(Collection):
    """Deleting a (disabled) domain deletes its users and projects."""

    member, plural, table = "domain", "domains", tables.domains
    filters = ("name", "enabled")
    private = True
    _properties = {
        "name": schemas.SHORT_NAME,
        "description": schemas.DESCRIPTION,
        "enabled": schemas.BOOLEAN,
    }
    create_check = schemas.resource("domain", _properties, ("name",))
    update_check = schemas.resource("domain", _properties)

    def prepare(self, given: dict[str, Any]) -> dict[str, Any]:
        return described(super().prepare(given))

    def deleting(self, connection: sa.Connection, row: Any) -> None:
        if row.enabled:
            raise errors.Forbidden(
                "Cannot delete a domain that is enabled, please disable it first."
            )
        users, projects = tables.users, tables.projects
        for user_id in _ids(connection, users, row.id):
            assignments.forget_user(connection, user_id)
        for project_id in _ids(connection, projects, row.id):
            assignments.forget_target(connection, PROJECT, project_id)
        assignments.forget_target(connection, DOMAIN, row.id)
        for table in (users, projects):
            connection.execute(table.delete().where(table.c.domain_id == row.id))

    def shown(self, row: Any) -> dict[str, Any]:
        return {"options": {}, "tags": [], **super().shown(row)}


class Projects(Collection):
    """A project's parent is its domain or another project of it."""

    member, plural, table = "project", "projects", tables.projects
    filters = ("name", "domain_id", "parent_id", "enabled")
    private = True
    fixed = frozenset({"domain_id", "parent_id"})
    _properties = {
        "name": schemas.SHORT_NAME,
        "domain_id": schemas.nullable(schemas.ID),
        "parent_id": schemas.nullable(schemas.ID),
        "description": schemas.DESCRIPTION,
        "enabled": schemas.BOOLEAN,
        "is_domain": {"const": False},
        "tags": _TAGS,
    }
    create_check = schemas.resource("project", _properties, ("name",))
    update_check = schemas.resource("project", _properties)
    reserved = Collection.reserved | {"is_domain"}

    def prepare(self, given: dict[str, Any]) -> dict[str, Any]:
        return described(super().prepare(given))

    def creating(self, connection: sa.Connection, values: dict[str, Any]) -> None:
        parent_id = values.get("parent_id")
        domain_id = values.get("domain_id")
        if parent_id and parent_id != domain_id:
            parent = connection.execute(
                tables.projects.select().where(tables.projects.c.id == parent_id).with_for_update()
            ).one_or_none()
            if parent is not None:
                domain_id = domain_id or parent.domain_id
                if parent.domain_id != domain_id:
                    raise errors.Invalid("A project must be in the domain of its parent project.")
            elif domain_id is None:
                domain_id = parent_id  # a domain may stand as the parent
            else:
                raise errors.Invalid(f"Could not find the parent project: {parent_id}.")
        values["domain_id"] = domain_id or DEFAULT_DOMAIN
        values["parent_id"] = parent_id or values["domain_id"]
        if not lock_domain(connection, values["domain_id"]):
            raise errors.Invalid(f"Could not find domain: {values['domain_id']}.")

    def deleting(self, connection: sa.Connection, row: Any) -> None:
        children = sa.select(tables.projects.c.id).where(tables.projects.c.parent_id == row.id)
        if connection.execute(children.limit(1)).first() is not None:
            raise errors.Forbidden(
                f"Cannot delete project {row.id} since it is not a leaf in the hierarchy; delete "
                "its child projects first."
            )
        assignments.forget_target(connection, PROJECT, row.id)

    def shown(self, row: Any) -> dict[str, Any]:
        return {"is_domain": False, "tags": [], "options": {}, **super().shown(row)}


def described(values: dict[str, Any]) -> dict[str, Any]:
    """`values` with a null description as the empty text it means."""
    if values.get("description", "") is None:
        values["description"] = ""
    return values


def lock_domain(connection: sa.Connection, domain_id: str) -> bool:
    """Whether the domain exists; if so it cannot be deleted until the transaction ends."""
    domains = tables.domains
    query = sa.select(domains.c.id).where(domains.c.id == domain_id).with_for_update()
    return connection.execute(query).first() is not None


def _ids(connection: sa.Connection, table: sa.Table, domain_id: str) -> list[str]:
    query = sa.select(table.c.id).where(table.c.domain_id == domain_id)
    return list(connection.execute(query).scalars())
