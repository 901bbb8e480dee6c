"""What tokens need of the rarely changing part of the cloud: catalog and roles.

A `Snapshot` is read once and kept until the `catalog` row of `revisions`
moves, which every query of a token reads along. So a change is seen at once
by every process, and costs the others nothing.
"""

import re
import threading
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from minova.companions.identity import tables
from minova.companions.identity.tokens import PROJECT, Scope

_REVISION = "catalog"
_PLACEHOLDER = re.compile(r"[$%]\((\w+)\)s")
PLACEHOLDERS = frozenset({"project_id", "tenant_id", "user_id"})

revision = (
    sa.select(tables.revisions.c.value)
    .where(tables.revisions.c.name == _REVISION)
    .scalar_subquery()
    .label("revision")
)


def changed(connection: sa.Connection) -> None:
    """Tell every process, at the end of this transaction, that catalog or roles changed."""
    row = tables.revisions
    connection.execute(row.update().where(row.c.name == _REVISION).values(value=row.c.value + 1))


def unknown_placeholders(url: str) -> set[str]:
    """The names in a URL template that no token can fill."""
    return set(_PLACEHOLDER.findall(url)) - PLACEHOLDERS


@dataclass(frozen=True)
class Snapshot:
    """Immutable. `implied` maps a role id to every role it brings, itself included."""

    revision: int
    services: tuple[dict[str, Any], ...]
    role_names: dict[str, str]
    implied: dict[str, frozenset[str]]

    def expand(self, role_ids: set[str]) -> list[dict[str, str]]:
        """The roles of a token whose user was given `role_ids`, as the API shows them."""
        found: set[str] = set()
        for role_id in role_ids:
            found |= self.implied.get(role_id, frozenset())
        return sorted(
            ({"id": role_id, "name": self.role_names[role_id]} for role_id in found),
            key=lambda role: role["name"],
        )

    def catalog(self, user_id: str, scope: Scope) -> list[dict[str, Any]]:
        """The catalog of a token; endpoints whose URL it cannot fill are left out."""
        known = {"user_id": user_id}
        if scope.kind == PROJECT:
            known["project_id"] = known["tenant_id"] = scope.id
        entries = []
        for service in self.services:
            endpoints = [
                {**endpoint, "url": _PLACEHOLDER.sub(lambda m: known[m[1]], endpoint["url"])}
                for endpoint in service["endpoints"]
                if known.keys() >= set(_PLACEHOLDER.findall(endpoint["url"]))
            ]
            entries.append({**service, "endpoints": endpoints})
        return entries


class SnapshotCache:
    """The newest snapshot. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshot: Snapshot | None = None

    def at(self, connection: sa.Connection, wanted: int) -> Snapshot:
        """The snapshot of revision `wanted`, read over `connection` when it is not the one kept."""
        kept = self._snapshot
        if kept is not None and kept.revision == wanted:
            return kept
        fresh = _read(connection, wanted)
        with self._lock:
            self._snapshot = fresh
        return fresh


def _read(connection: sa.Connection, wanted: int) -> Snapshot:
    services, endpoints = tables.services, tables.endpoints
    urls: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in connection.execute(
        endpoints.select().where(endpoints.c.enabled).order_by(endpoints.c.id)
    ):
        urls[row.service_id].append(
            {
                "id": row.id,
                "interface": row.interface,
                "region": row.region_id,
                "region_id": row.region_id,
                "url": row.url,
            }
        )
    entries = tuple(
        {"id": row.id, "type": row.type, "name": row.name or "", "endpoints": urls[row.id]}
        for row in connection.execute(
            services.select().where(services.c.enabled).order_by(services.c.type)
        )
    )
    names: dict[str, str] = {
        row.id: row.name
        for row in connection.execute(sa.select(tables.roles.c.id, tables.roles.c.name))
    }
    direct: dict[str, set[str]] = defaultdict(set)
    for row in connection.execute(tables.implied_roles.select()):
        direct[row.prior_role_id].add(row.implied_role_id)
    return Snapshot(wanted, entries, names, {role: _closure(role, direct) for role in names})


def _closure(role_id: str, direct: dict[str, set[str]]) -> frozenset[str]:
    found, waiting = set(), [role_id]
    while waiting:
        role = waiting.pop()
        if role not in found:
            found.add(role)
            waiting.extend(direct.get(role, ()))
    return frozenset(found)
