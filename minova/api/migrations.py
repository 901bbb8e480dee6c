"""Migrations: everybody's, for administrators; and a server's live ones, of which there are none.

Live migration needs disks that two hosts share, so none is ever in progress.
"""

from typing import Any

import falcon

from minova.api import paging, server_filters
from minova.api.access import Access
from minova.api.microversions import window
from minova.api.schemas import moves as schemas
from minova.api.views import times
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import migration_list
from minova.db.migration_list import Filters
from minova.model import migration as migrations
from minova.model import states
from minova.model.instance import Instance
from minova.model.migration import Migration
from minova.model.states import Action

_MIGRATING: frozenset[str | None] = frozenset({"migrating"})
# By the name that their refusal has.
_FORCE_COMPLETE = Action("force_complete", frozenset({states.ACTIVE}), _MIGRATING)
_ABORT = Action("abort live migration", states.ANY, _MIGRATING)
_PAGED = (2, 59)
_OF_USERS = (2, 80)


class Migrations:
    """The handlers of /os-migrations and /servers/{server_id}/migrations."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        path = "/v2.1/servers/{server_id}/migrations"
        return [
            Route("GET", "/v2.1/os-migrations", self.index),
            Route("GET", path, self.of_server),
            Route("GET", path + "/{migration_id}", self.show),
            Route("POST", path + "/{migration_id}/action", self.act, 202),
            Route("DELETE", path + "/{migration_id}", self.delete, 202),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-migrations"""
        self._access.check(req, "os-migrations:index")
        paged = req.context.version >= _PAGED
        limit = paging.limit_of(req)
        found = migration_list.migrations(
            self._db,
            _filters(req),
            newest_first=paged,
            limit=limit,
            marker=paging.last(req, "marker") if paged else None,
        )
        body = {"migrations": [_shown(req, migration) for migration in found]}
        if not paged:
            return body
        last = found[-1].uuid if found else None
        return paging.with_next(req, "migrations", body, last, len(found) == limit)

    @window("2.23")
    def of_server(
        self, req: falcon.Request, resp: falcon.Response, server_id: str
    ) -> dict[str, Any]:
        """GET /servers/{server_id}/migrations: the live ones in progress"""
        self._access.server(req, server_id, "servers:migrations:index")
        return {"migrations": []}

    @window("2.23")
    def show(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, migration_id: str
    ) -> dict[str, Any]:
        """GET /servers/{server_id}/migrations/{migration_id}: a live one in progress"""
        instance = self._access.server(req, server_id, "servers:migrations:show")
        found = migration_list.of_instance(self._db, instance.uuid, migration_id)
        said = f"{migration_id[:64]} for server {instance.uuid} is not"
        if found is None:
            raise errors.NotFound(
                f"In-progress live migration {migration_id[:64]} is not found for server "
                f"{instance.uuid}."
            )
        if found.migration_type != migrations.LIVE:
            raise errors.NotFound(f"Migration {said} live-migration.")
        raise errors.NotFound(f"Live migration {said} in progress.")

    @window("2.22")
    def act(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, migration_id: str
    ) -> None:
        """POST /servers/{server_id}/migrations/{migration_id}/action: force_complete"""
        instance = self._access.server(req, server_id, "servers:migrations:force_complete")
        schemas.FORCE_COMPLETE.of(req)
        _check_migrating(req, instance, _FORCE_COMPLETE)

    @window("2.24")
    def delete(
        self, req: falcon.Request, resp: falcon.Response, server_id: str, migration_id: str
    ) -> None:
        """DELETE /servers/{server_id}/migrations/{migration_id}: abort a live one"""
        instance = self._access.server(req, server_id, "servers:migrations:delete")
        _check_migrating(req, instance, _ABORT)


def _check_migrating(req: falcon.Request, instance: Instance, action: Action) -> None:
    """errors.Conflict: what is not being migrated can neither be hurried nor stopped."""
    refusal = states.refusal(
        action,
        uuid=instance.uuid,
        vm_state=instance.vm_state,
        task_state=instance.task_state,
        launched=instance.launched_at is not None,
        hosted=instance.host is not None,
        locked=instance.locked and "admin" not in (req.context.ctxt.roles or []),
    )
    raise errors.Conflict(refusal or f"Instance {instance.uuid} is not being migrated live.")


def _filters(req: falcon.Request) -> Filters:
    version = req.context.version
    filters = Filters(host=paging.last(req, "host"))
    for name in migration_list.EQUAL:
        value = paging.last(req, name)
        if value is not None and (name not in ("user_id", "project_id") or version >= _OF_USERS):
            filters.equal[name] = value
    if version >= _PAGED:
        filters.changed_since, filters.changed_before = server_filters.changes(req)
    return filters


def _shown(req: falcon.Request, migration: Migration) -> dict[str, Any]:
    version = req.context.version
    shown = {
        "id": migration.id,
        "instance_uuid": migration.instance_uuid,
        "status": migration.status,
        "source_compute": migration.source_compute,
        "source_node": migration.source_node,
        "dest_compute": migration.dest_compute,
        "dest_node": migration.dest_node,
        "dest_host": migration.dest_host,
        "old_instance_type_id": migration.old_flavor_number,
        "new_instance_type_id": migration.new_flavor_number,
        "created_at": times.precise(migration.created_at),
        "updated_at": times.precise(migration.updated_at),
    }
    if version >= (2, 23):
        shown["migration_type"] = migration.migration_type
    if version >= _PAGED:
        shown["uuid"] = migration.uuid
    if version >= _OF_USERS:
        shown.update(user_id=migration.user_id, project_id=migration.project_id)
    return shown
