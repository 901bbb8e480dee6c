"""/volumes: create, list, show, rename, delete."""

import uuid
from dataclasses import dataclass
from typing import Any

import falcon

from minova.common import errors, image_format
from minova.common.wsgi import Route
from minova.companions.volume import qemuimg, states
from minova.companions.volume.api import listing, schemas
from minova.companions.volume.api.access import Access
from minova.companions.volume.api.versions import at_least, require
from minova.companions.volume.api.views import TYPE_ID, TYPE_NAME, Viewer
from minova.companions.volume.peers import Peers
from minova.companions.volume.queries import attachments, snapshots, volumes
from minova.companions.volume.records import Volume, now
from minova.companions.volume.store import GIB
from minova.companions.volume.tables import volumes as table
from minova.companions.volume.work import Workshop

_FILTERS = listing.Filters(
    columns={
        **{name: table.c[name] for name in ("id", "name", "status", "availability_zone")},
        **{name: table.c[name] for name in ("bootable", "user_id", "description")},
        **{name: table.c[name] for name in ("created_at", "updated_at")},
        "size": table.c.size_gb,
    },
    dates=("created_at", "updated_at"),
)
_NEWEST_FIRST = (table.c.created_at.desc(), table.c.id.desc())
# Image properties that are columns of the image's own.
_IMAGE_FIELDS = ("checksum", "container_format", "disk_format", "min_disk", "min_ram", "size")
_NOT_PROPERTIES = frozenset(
    (
        *("id", "name", "status", "visibility", "owner", "protected", "os_hidden", "tags"),
        *("created_at", "updated_at", "virtual_size", "file", "schema", "self", "locations"),
        *("direct_url", "stores", "os_hash_algo", "os_hash_value", *_IMAGE_FIELDS),
    )
)


@dataclass(frozen=True)
class Defaults:
    """What `[volume]` of the configuration says about new volumes and lists."""

    host: str
    availability_zone: str = "nova"
    format: str = "raw"
    max_size_gb: int = 1024
    max_limit: int = 1000
    quota_volumes: int = 10
    quota_gigabytes: int = 1000
    quota_snapshots: int = 10

    @property
    def limits(self) -> dict[str, int]:
        return {
            "volumes": self.quota_volumes,
            "snapshots": self.quota_snapshots,
            "gigabytes": self.quota_gigabytes,
        }


class Volumes:
    """Handlers of /volumes."""

    def __init__(
        self, access: Access, workshop: Workshop, peers: Peers, defaults: Defaults
    ) -> None:
        self._access, self._workshop, self._peers = access, workshop, peers
        self._defaults = defaults
        self._db = access.db

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v3/volumes", self.list_short),
            Route("POST", "/v3/volumes", self.create, 202),
            Route("GET", "/v3/volumes/detail", self.list_detail),
            Route("GET", "/v3/volumes/summary", self.summarize),
            Route("GET", "/v3/volumes/{volume_id}", self.show),
            Route("PUT", "/v3/volumes/{volume_id}", self.update),
            Route("DELETE", "/v3/volumes/{volume_id}", self.delete, 202),
            Route("GET", "/v3/volumes/{volume_id}/encryption", self.show_encryption),
        ]

    def create(self, req: falcon.Request, resp: falcon.Response) -> Any:
        ctxt = self._access.own(req, "volume:create")
        asked = schemas.body_of(req, schemas.CREATE)["volume"]
        if not ctxt.project_id:
            raise errors.Invalid("A volume belongs to a project; use a token of one.")
        self._check_placement(asked)
        source = self._source_of(req, asked)
        volume = Volume(
            id=str(uuid.uuid4()),
            project_id=ctxt.project_id,
            user_id=ctxt.user_id or "",
            host=self._defaults.host,
            size_gb=self._size_of(asked, source),
            status=states.CREATING,
            availability_zone=self._defaults.availability_zone,
            format=self._defaults.format,
            created_at=now(),
            name=asked.get("name") or asked.get("display_name"),
            description=asked.get("description") or asked.get("display_description"),
            metadata=asked.get("metadata") or {},
            **source.columns,
        )
        volumes.create(self._db, volume, self._defaults.limits)
        self._workshop.create(volume.id)
        return {"volume": self._viewer(req).created(volume)}

    def list_short(self, req: falcon.Request, resp: falcon.Response) -> Any:
        return self._list(req, detail=False)

    def list_detail(self, req: falcon.Request, resp: falcon.Response) -> Any:
        return self._list(req, detail=True)

    def summarize(self, req: falcon.Request, resp: falcon.Response) -> Any:
        require(req, (3, 12))
        found = self._matching(req)
        body: dict[str, Any] = {
            "total_size": sum(volume.size_gb for volume in found),
            "total_count": len(found),
        }
        if at_least(req, (3, 36)):
            together: dict[str, set[str]] = {}
            for volume in found:
                for key, value in volume.metadata.items():
                    together.setdefault(key, set()).add(value)
            body["metadata"] = {key: sorted(values) for key, values in together.items()}
        return {"volume-summary": body}

    def show(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> Any:
        volume = self._access.volume(req, volume_id, "volume:get")
        attached = attachments.of_volumes(self._db, [volume.id])
        return {"volume": self._viewer(req).detail(volume, attached[volume.id])}

    def show_encryption(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> Any:
        """No volume is encrypted: Nova asks before it attaches one."""
        self._access.volume(req, volume_id, "volume:get")
        return {}

    def update(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> Any:
        volume = self._access.volume(req, volume_id, "volume:update")
        asked = schemas.body_of(req, schemas.UPDATE)["volume"]
        columns = {
            "name": "name",
            "display_name": "name",
            "description": "description",
            "display_description": "description",
            "metadata": "metadata",
        }
        values = {columns[name]: value for name, value in asked.items()}
        if values:
            volume = volumes.update(self._db, volume.id, **values)
        attached = attachments.of_volumes(self._db, [volume.id])
        return {"volume": self._viewer(req).created(volume, attached[volume.id])}

    def delete(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> None:
        volume = self._access.volume(req, volume_id, "volume:delete")
        cascade = schemas.is_true(req.get_param("cascade") or "")
        if cascade:
            self._access.enforcer.authorize(
                req.context.ctxt, "volume:delete_snapshot", {"project_id": volume.project_id}
            )
            snapshots.check_idle(self._db, volume.id)
        if schemas.is_true(req.get_param("force") or ""):
            self.force_delete(req, volume)
            return
        volumes.change(self._db, volume.id, "delete", detached=True, without_snapshots=not cascade)
        self._workshop.delete(volume.id)

    def force_delete(self, req: falcon.Request, volume: Volume) -> None:
        """Delete in any status, but never what is attached."""
        target = {"project_id": volume.project_id}
        self._access.enforcer.authorize(req.context.ctxt, "volume:force_delete", target)
        if attachments.of_volumes(self._db, [volume.id])[volume.id]:
            raise volumes.refused(volume, "delete")
        if snapshots.of_volume(self._db, volume.id):
            raise volumes.is_kept(volume)
        volumes.settle(self._db, volume.id, volume.status, states.ERROR)
        volumes.change(self._db, volume.id, "delete", detached=True, without_snapshots=True)
        self._workshop.delete(volume.id)

    def _list(self, req: falcon.Request, detail: bool) -> Any:
        page = listing.Page.of(req, self._defaults.max_limit)
        found = self._matching(req)
        shown, more = page.cut(found)
        viewer = self._viewer(req)
        if detail:
            attached = attachments.of_volumes(self._db, [volume.id for volume in shown])
            bodies = [viewer.detail(volume, attached[volume.id]) for volume in shown]
        else:
            bodies = [viewer.summary(volume) for volume in shown]
        body: dict[str, Any] = {"volumes": bodies}
        if more and shown:
            body["volumes_links"] = listing.next_link(req, shown[-1].id)
        if at_least(req, (3, 45)) and schemas.is_true(req.get_param("with_count") or ""):
            body["count"] = len(found)
        return body

    def _matching(self, req: falcon.Request) -> list[Volume]:
        """The volumes the caller sees and asked for, in order."""
        ctxt = self._access.own(req, "volume:get_all")
        conditions = _FILTERS.conditions(req)
        project = ctxt.project_id
        if self._access.privileged(ctxt) and listing.wants_all(req):
            project = req.get_param("project_id") or req.get_param("tenant_id")
        if project is not None or not self._access.privileged(ctxt):
            conditions.append(table.c.project_id == project)
        found = volumes.find(self._db, conditions, _FILTERS.order(req, _NEWEST_FIRST))
        return listing.has_metadata(req, found)

    def _viewer(self, req: falcon.Request) -> Viewer:
        rule = "volume_extension:volume_host_attribute"
        return Viewer(req, self._access.enforcer.allows(req.context.ctxt, rule, {}))

    def _check_placement(self, asked: dict[str, Any]) -> None:
        zone = asked.get("availability_zone")
        if zone not in (None, "", self._defaults.availability_zone):
            raise errors.Invalid(f"Availability zone '{zone}' is invalid.")
        kind = asked.get("volume_type")
        if kind not in (None, "", TYPE_NAME, TYPE_ID):
            raise errors.NotFound(f"Volume type with name {kind} could not be found.")

    def _source_of(self, req: falcon.Request, asked: dict[str, Any]) -> "Source":
        """What the new volume is made from; at most one thing."""
        snapshot_id = asked.get("snapshot_id")
        image_id = asked.get("imageRef") or asked.get("image_id")
        source_id = asked.get("source_volid")
        if sum(map(bool, (snapshot_id, image_id, source_id))) > 1:
            raise errors.Invalid("Give only one of imageRef, source_volid and snapshot_id.")
        if snapshot_id:
            return self._snapshot_source(req, snapshot_id)
        if image_id:
            return self.image_source(req, image_id)
        if source_id:
            return self._volume_source(req, source_id)
        return Source({})

    def image_source(self, req: falcon.Request, image_id: str) -> "Source":
        """What an image makes of a volume; errors.Invalid if the caller may not use it."""
        try:
            # The user's own rights decide whether she may use the image.
            image = self._peers.images().get(image_id, req.context.ctxt.auth_token)
        except (errors.NotFound, errors.Forbidden, errors.Invalid):
            raise errors.Invalid(
                f"Invalid image identifier {image_id} or unable to access requested image."
            ) from None
        if image["status"] != "active":
            raise errors.Invalid(f"Image {image_id} is not active but {image['status']}.")
        image_format.require(image["disk_format"], f"Image {image_id}", qemuimg.FORMATS)
        needed = max(image.get("size") or 0, image.get("virtual_size") or 0)
        size_gb = max(-(-needed // GIB), image.get("min_disk") or 0)
        properties = {key: str(value) for key, value in image.items() if key not in _NOT_PROPERTIES}
        fields = {name: str(image.get(name) or "") for name in _IMAGE_FIELDS}
        described = {"image_id": image_id, "image_name": image.get("name") or "", **fields}
        return Source(
            {"image_id": image_id, "bootable": True, "image_metadata": {**properties, **described}},
            min_size_gb=size_gb,
        )

    def _volume_source(self, req: falcon.Request, source_id: str) -> "Source":
        source = self._access.volume(req, source_id, "volume:get")
        if source.status != states.AVAILABLE:
            raise errors.Invalid(
                f"Invalid volume: source volume {source.id} must be available to be copied, "
                f"but it is {source.status}."
            )
        return Source(
            {
                "source_volid": source.id,
                "bootable": source.bootable,
                "image_metadata": source.image_metadata,
            },
            min_size_gb=source.size_gb,
            default_size_gb=source.size_gb,
        )

    def _snapshot_source(self, req: falcon.Request, snapshot_id: str) -> "Source":
        snapshot = self._access.snapshot(req, snapshot_id, "volume:get_snapshot")
        if snapshot.status != states.AVAILABLE:
            raise errors.Invalid(
                f"Invalid snapshot: Originating snapshot status must be one of '{states.AVAILABLE}'"
                f" values: snapshot {snapshot.id} is {snapshot.status}."
            )
        source = volumes.get(self._db, snapshot.volume_id)
        return Source(
            {
                "snapshot_id": snapshot.id,
                "bootable": source.bootable,
                "image_metadata": source.image_metadata,
            },
            min_size_gb=snapshot.size_gb,
            default_size_gb=snapshot.size_gb,
        )

    def _size_of(self, asked: dict[str, Any], source: "Source") -> int:
        given = asked.get("size")
        size_gb = source.default_size_gb if given is None else int(given)
        if not size_gb or size_gb < 1:
            raise errors.Invalid("Invalid input for field/attribute size: give a size of 1 GiB up.")
        if size_gb > self._defaults.max_size_gb:
            raise errors.Invalid(
                f"Invalid input for field/attribute size: {size_gb} GiB is more than the "
                f"{self._defaults.max_size_gb} GiB a volume may have."
            )
        if size_gb < source.min_size_gb:
            raise errors.Invalid(
                f"Invalid input for field/attribute size: {size_gb} GiB is less than the "
                f"{source.min_size_gb} GiB that the source needs."
            )
        return size_gb


@dataclass(frozen=True)
class Source:
    """Columns of a new volume that come from its source, and the size that asks for."""

    columns: dict[str, Any]
    min_size_gb: int = 0
    default_size_gb: int | None = None
