"""/snapshots: volumes as they were at one moment."""

import uuid
from collections.abc import Callable
from typing import Any

import falcon

from minova.common import errors, wsgi
from minova.common.wsgi import Route
from minova.companions.volume import states
from minova.companions.volume.api import listing, schemas
from minova.companions.volume.api.access import Access
from minova.companions.volume.api.versions import at_least
from minova.companions.volume.api.views import timestamp
from minova.companions.volume.api.volumes import Defaults
from minova.companions.volume.queries import snapshots
from minova.companions.volume.records import Snapshot, now
from minova.companions.volume.tables import snapshots as table
from minova.companions.volume.work import Workshop

_FILTERS = listing.Filters(
    columns={
        **{name: table.c[name] for name in ("id", "name", "status", "volume_id")},
        **{name: table.c[name] for name in ("user_id", "description")},
        **{name: table.c[name] for name in ("created_at", "updated_at")},
    },
    dates=("created_at", "updated_at"),
)
_NEWEST_FIRST = (table.c.created_at.desc(), table.c.id.desc())
# From 3.66 on a volume in use needs no `force`.
_FORCED_SINCE = (3, 66)
_SETTABLE = (
    *(states.AVAILABLE, states.ERROR, states.ERROR_DELETING),
    *(states.CREATING, states.DELETING),
)
# What os-update_snapshot_status may make of which status.
_TOLD = {
    states.CREATING: (states.CREATING, states.AVAILABLE, states.ERROR),
    states.DELETING: (states.DELETING, states.ERROR_DELETING),
}
_ADMIN = "volume_extension:snapshot_admin_actions"


class Snapshots:
    """Handlers of /snapshots."""

    def __init__(self, access: Access, workshop: Workshop, defaults: Defaults) -> None:
        self._access, self._workshop, self._defaults = access, workshop, defaults
        self._db = access.db
        # action -> (policy rule, what does it)
        self._actions: dict[str, tuple[str, Callable[[Snapshot, Any], None]]] = {
            "os-reset_status": (f"{_ADMIN}:reset_status", self._reset_status),
            "os-force_delete": (f"{_ADMIN}:force_delete", self._force_delete),
            "os-update_snapshot_status": (
                "snapshot_extension:snapshot_actions:update_snapshot_status",
                self._update_status,
            ),
        }

    def routes(self) -> list[Route]:
        one = "/v3/snapshots/{snapshot_id}"
        return [
            Route("GET", "/v3/snapshots", self.list_short),
            Route("POST", "/v3/snapshots", self.create, 202),
            Route("GET", "/v3/snapshots/detail", self.list_detail),
            Route("GET", one, self.show),
            Route("PUT", one, self.update),
            Route("DELETE", one, self.delete, 202),
            Route("POST", f"{one}/action", self.act, 202),
            Route("GET", f"{one}/metadata", self.show_metadata),
            Route("POST", f"{one}/metadata", self.add_metadata),
            Route("PUT", f"{one}/metadata", self.replace_metadata),
            Route("GET", f"{one}/metadata/{{key}}", self.show_item),
            Route("PUT", f"{one}/metadata/{{key}}", self.put_item),
            Route("DELETE", f"{one}/metadata/{{key}}", self.delete_item),
        ]

    def create(self, req: falcon.Request, resp: falcon.Response) -> Any:
        ctxt = self._access.own(req, "volume:create_snapshot")
        asked = schemas.body_of(req, schemas.SNAPSHOT_CREATE)["snapshot"]
        volume = self._access.volume(req, str(asked["volume_id"]), "volume:create_snapshot")
        snapshot = Snapshot(
            id=str(uuid.uuid4()),
            volume_id=volume.id,
            project_id=volume.project_id,
            user_id=ctxt.user_id or "",
            host=volume.host,
            name=asked.get("name") or asked.get("display_name"),
            description=asked.get("description") or asked.get("display_description"),
            size_gb=volume.size_gb,
            status=states.CREATING,
            format=volume.format,
            metadata=asked.get("metadata") or {},
            created_at=now(),
        )
        allowed = (states.AVAILABLE, *((states.IN_USE,) if _forced(req, asked) else ()))
        snapshots.create(self._db, snapshot, self._defaults.limits, allowed)
        self._workshop.snapshot(snapshot.id)
        return {"snapshot": _brief(req, snapshot)}

    def list_short(self, req: falcon.Request, resp: falcon.Response) -> Any:
        return self._list(req, detail=False)

    def list_detail(self, req: falcon.Request, resp: falcon.Response) -> Any:
        return self._list(req, detail=True)

    def show(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> Any:
        snapshot = self._access.snapshot(req, snapshot_id, "volume:get_snapshot")
        return {"snapshot": _whole(req, snapshot)}

    def update(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> Any:
        snapshot = self._access.snapshot(req, snapshot_id, "volume:update_snapshot")
        asked = schemas.body_of(req, schemas.SNAPSHOT_UPDATE)["snapshot"]
        values = {name.removeprefix("display_"): value for name, value in asked.items()}
        if values:
            snapshot = snapshots.update(self._db, snapshot.id, **values)
        return {"snapshot": _brief(req, snapshot)}

    def delete(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> None:
        snapshot = self._access.snapshot(req, snapshot_id, "volume:delete_snapshot")
        snapshots.begin_delete(self._db, snapshot)
        self._workshop.snapshot(snapshot.id)

    def act(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> None:
        body = wsgi.body_of(req)
        name = next(iter(body)) if isinstance(body, dict) and len(body) == 1 else ""
        if name not in self._actions:
            raise errors.Invalid(f"There is no such action: {name[:100]}")
        rule, method = self._actions[name]
        snapshot = self._access.snapshot(req, snapshot_id, rule)
        schemas.check(schemas.SNAPSHOT_ACTIONS[name], body)
        method(snapshot, body[name])

    def _reset_status(self, snapshot: Snapshot, asked: dict[str, Any]) -> None:
        status = asked["status"]
        if status not in _SETTABLE:
            raise errors.Invalid(f"Must specify a valid status: one of {', '.join(_SETTABLE)}.")
        snapshots.update(self._db, snapshot.id, status=status)

    def _update_status(self, snapshot: Snapshot, asked: dict[str, Any]) -> None:
        """A service that makes or deletes the snapshot says how far it is."""
        status = asked["status"]
        if snapshot.status not in _TOLD:
            raise errors.Invalid(
                f"Snapshot status {snapshot.status} not allowed for update_snapshot_status"
            )
        if status not in _TOLD[snapshot.status]:
            raise errors.Invalid(
                f"Provided snapshot status {status} not allowed for snapshot with status "
                f"{snapshot.status}."
            )
        progress = {"progress": asked["progress"]} if asked.get("progress") else {}
        if not snapshots.settle(self._db, snapshot.id, snapshot.status, status, **progress):
            raise errors.Invalid(f"Snapshot {snapshot.id} is {snapshot.status} no more.")

    def _force_delete(self, snapshot: Snapshot, asked: Any) -> None:
        snapshots.begin_delete(self._db, snapshot, force=True)
        self._workshop.snapshot(snapshot.id)

    def show_metadata(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> Any:
        return {"metadata": self._for_metadata(req, snapshot_id, "get").metadata}

    def add_metadata(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> Any:
        snapshot = self._for_metadata(req, snapshot_id, "update")
        asked = schemas.body_of(req, schemas.METADATA)["metadata"]
        return {"metadata": self._put(snapshot, {**snapshot.metadata, **asked})}

    def replace_metadata(self, req: falcon.Request, resp: falcon.Response, snapshot_id: str) -> Any:
        snapshot = self._for_metadata(req, snapshot_id, "update")
        asked = schemas.body_of(req, schemas.METADATA)["metadata"]
        return {"metadata": self._put(snapshot, asked)}

    def show_item(
        self, req: falcon.Request, resp: falcon.Response, snapshot_id: str, key: str
    ) -> Any:
        known = self._for_metadata(req, snapshot_id, "get").metadata
        return {"meta": {key: _item(snapshot_id, known, key)}}

    def put_item(
        self, req: falcon.Request, resp: falcon.Response, snapshot_id: str, key: str
    ) -> Any:
        snapshot = self._for_metadata(req, snapshot_id, "update")
        asked = schemas.body_of(req, schemas.META)["meta"]
        if key not in asked:
            raise errors.Invalid("Request body and URI mismatch: they name different keys.")
        self._put(snapshot, {**snapshot.metadata, **asked})
        return {"meta": asked}

    def delete_item(
        self, req: falcon.Request, resp: falcon.Response, snapshot_id: str, key: str
    ) -> None:
        snapshot = self._for_metadata(req, snapshot_id, "delete")
        _item(snapshot.id, snapshot.metadata, key)
        self._put(snapshot, {k: v for k, v in snapshot.metadata.items() if k != key})

    def _list(self, req: falcon.Request, detail: bool) -> Any:
        page = listing.Page.of(req, self._defaults.max_limit)
        if page.marker is not None:
            self._access.snapshot(req, page.marker, "volume:get_all_snapshots")
        ctxt = self._access.own(req, "volume:get_all_snapshots")
        conditions = _FILTERS.conditions(req)
        project = ctxt.project_id
        if self._access.privileged(ctxt) and listing.wants_all(req):
            project = req.get_param("project_id") or req.get_param("tenant_id")
        if project is not None or not self._access.privileged(ctxt):
            conditions.append(table.c.project_id == project)
        order = _FILTERS.order(req, _NEWEST_FIRST)
        found = listing.has_metadata(req, snapshots.find(self._db, conditions, order))
        shown, more = page.cut(found)
        show = _whole if detail else _brief
        body: dict[str, Any] = {"snapshots": [show(req, snapshot) for snapshot in shown]}
        if more and shown:
            body["snapshots_links"] = listing.next_link(req, shown[-1].id)
        if at_least(req, (3, 45)) and schemas.is_true(req.get_param("with_count") or ""):
            body["count"] = len(found)
        return body

    def _for_metadata(self, req: falcon.Request, snapshot_id: str, action: str) -> Snapshot:
        return self._access.snapshot(req, snapshot_id, f"volume:{action}_snapshot_metadata")

    def _put(self, snapshot: Snapshot, metadata: dict[str, str]) -> dict[str, str]:
        if len(metadata) > schemas.MAX_METADATA:
            raise errors.Invalid(f"A snapshot has at most {schemas.MAX_METADATA} metadata items.")
        return snapshots.update(self._db, snapshot.id, metadata=metadata).metadata


def _forced(req: falcon.Request, asked: dict[str, Any]) -> bool:
    """Whether a volume in use may be copied; errors.Invalid for a `force` that is no more."""
    force = asked.get("force")
    if not at_least(req, _FORCED_SINCE):
        return schemas.is_true(force)
    if force is not None and not schemas.is_true(force):
        raise errors.Invalid(
            "Since microversion 3.66 the parameter 'force' is invalid: a volume in use is copied "
            "as well."
        )
    return True


def _item(snapshot_id: str, metadata: dict[str, str], key: str) -> str:
    if key not in metadata:
        raise errors.NotFound(f"Snapshot {snapshot_id} has no metadata with key {key[:255]}.")
    return metadata[key]


def _brief(req: falcon.Request, snapshot: Snapshot) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "id": snapshot.id,
        "name": snapshot.name,
        "description": snapshot.description,
        "volume_id": snapshot.volume_id,
        "status": snapshot.status,
        "size": snapshot.size_gb,
        "created_at": timestamp(snapshot.created_at),
        "updated_at": timestamp(snapshot.updated_at),
        "metadata": snapshot.metadata,
    }
    for since, name, value in (
        ((3, 14), "group_snapshot_id", None),
        ((3, 41), "user_id", snapshot.user_id),
        ((3, 65), "consumes_quota", True),
    ):
        if at_least(req, since):
            shown[name] = value
    return shown


def _whole(req: falcon.Request, snapshot: Snapshot) -> dict[str, Any]:
    done = snapshot.progress or ("100%" if snapshot.status == states.AVAILABLE else "0%")
    return {
        **_brief(req, snapshot),
        "os-extended-snapshot-attributes:progress": done,
        "os-extended-snapshot-attributes:project_id": snapshot.project_id,
    }
