"""The first content of an identity database, and its repair.

`bootstrap` may run as often as one likes: what exists is kept, what is
missing is added, passwords and URLs that differ from the plan are set.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from minova.companions.identity import assignments, catalog, tables
from minova.companions.identity.passwords import Passwords
from minova.companions.identity.projects import DEFAULT_DOMAIN
from minova.companions.identity.tokens import PROJECT, SYSTEM
from minova.companions.identity.validation import SYSTEM_TARGET
from minova.db.engine import Database, retried

ROLES = ("admin", "manager", "member", "reader", "service")
SERVICE_ROLES = ("service", "admin")
IMPLIED = (("admin", "manager"), ("manager", "member"), ("member", "reader"))
PROJECTS = {
    "admin": "The cloud's administrators",
    "service": "The cloud's services",
    "demo": "A project to try things in",
}
INTERFACES = ("public", "internal", "admin")


@dataclass(frozen=True)
class CatalogEntry:
    """A service with one URL for all three interfaces (`$(project_id)s` is filled in)."""

    type: str
    name: str
    url: str


@dataclass(frozen=True)
class BootstrapPlan:
    """What a cloud begins with.

    `service_passwords` maps the name of each service user (nova, glance,
    neutron, cinder) to its password; they get the roles service and admin in
    the project service. The catalog lists identity, compute, image, network,
    block-storage and its alias volumev3.
    """

    admin_password: str = field(repr=False)
    demo_password: str = field(repr=False)
    service_passwords: Mapping[str, str] = field(repr=False)
    catalog: Sequence[CatalogEntry]
    region: str = "RegionOne"
    password_rounds: int = 10


def bootstrap(db: Database, plan: BootstrapPlan) -> None:
    """Bring the (migrated) database to what `plan` says. Idempotent."""
    passwords = Passwords(plan.password_rounds)
    wanted = {"admin": plan.admin_password, "demo": plan.demo_password, **plan.service_passwords}
    hashes = _hashes(db, passwords, wanted)
    _write(db, plan, hashes)


def _hashes(db: Database, passwords: Passwords, wanted: Mapping[str, str]) -> dict[str, str]:
    """Hashes for the users whose stored password is not the planned one (slow: no transaction)."""
    users = tables.users
    query = sa.select(users.c.name, users.c.password_hash).where(
        users.c.domain_id == DEFAULT_DOMAIN, users.c.name.in_(wanted)
    )
    with db.reading() as connection:
        stored = {row.name: row.password_hash for row in connection.execute(query)}
    return {
        name: passwords.hash(password)
        for name, password in wanted.items()
        if name not in stored or not passwords.matches(password, stored[name])
    }


@retried
def _write(db: Database, plan: BootstrapPlan, hashes: Mapping[str, str]) -> None:
    with db.transaction() as connection:
        _ensure(connection, tables.domains, {"id": DEFAULT_DOMAIN}, name="Default")
        _ensure(connection, tables.regions, {"id": plan.region})
        roles = {name: _ensure(connection, tables.roles, {"name": name}) for name in ROLES}
        for prior, implied in IMPLIED:
            pair = {"prior_role_id": roles[prior], "implied_role_id": roles[implied]}
            _ensure(connection, tables.implied_roles, pair)
        projects = {
            name: _ensure(
                connection,
                tables.projects,
                {"name": name, "domain_id": DEFAULT_DOMAIN},
                parent_id=DEFAULT_DOMAIN,
                description=description,
            )
            for name, description in PROJECTS.items()
        }
        grants = [("admin", "admin", "admin"), ("demo", "demo", "member")]
        grants += [
            (user, "service", role) for user in plan.service_passwords for role in SERVICE_ROLES
        ]
        users = {user: _user(connection, user, hashes.get(user)) for user, _, _ in grants}
        for user, project, role in grants:
            assignments.grant(connection, users[user], PROJECT, projects[project], roles[role])
        assignments.grant(connection, users["admin"], SYSTEM, SYSTEM_TARGET, roles["admin"])
        for entry in plan.catalog:
            _publish(connection, entry, plan.region)
        catalog.changed(connection)


def _ensure(
    connection: sa.Connection, table: sa.Table, key: Mapping[str, str], **values: Any
) -> str:
    """The id of the row with `key`, inserted with `values` if it was not there."""
    found = connection.execute(
        table.select().where(*(table.c[name] == value for name, value in key.items()))
    ).first()
    if found is not None:
        return str(found[0])
    row = {**key, **values}
    if "id" in table.c:
        row.setdefault("id", uuid.uuid4().hex)
    connection.execute(table.insert().values(row))
    return str(row.get("id", ""))


def _user(connection: sa.Connection, name: str, password_hash: str | None) -> str:
    """The user's id; a hash is given when the password is to be set."""
    users = tables.users
    user_id = _ensure(connection, users, {"name": name, "domain_id": DEFAULT_DOMAIN})
    if password_hash is not None:
        connection.execute(
            users.update()
            .where(users.c.id == user_id)
            .values(password_hash=password_hash, generation=users.c.generation + 1)
        )
    return user_id


def _publish(connection: sa.Connection, entry: CatalogEntry, region: str) -> None:
    services, endpoints = tables.services, tables.endpoints
    service_id = _ensure(connection, services, {"type": entry.type}, name=entry.name)
    for interface in INTERFACES:
        key = {"service_id": service_id, "interface": interface, "region_id": region}
        endpoint_id = _ensure(connection, endpoints, key, url=entry.url)
        connection.execute(
            endpoints.update()
            .where(endpoints.c.id == endpoint_id, endpoints.c.url != entry.url)
            .values(url=entry.url)
        )
