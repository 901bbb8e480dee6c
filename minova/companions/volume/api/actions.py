"""POST /volumes/{id}/action: one method per action, in one table."""

from typing import Any

import falcon

from minova.common import errors, wsgi
from minova.common.wsgi import Route
from minova.companions.volume import states
from minova.companions.volume.api import schemas
from minova.companions.volume.api.access import Access
from minova.companions.volume.api.cloud import BACKEND, check_type
from minova.companions.volume.api.versions import require
from minova.companions.volume.api.views import TYPE_ID, TYPE_NAME, timestamp
from minova.companions.volume.api.volumes import Defaults, Volumes
from minova.companions.volume.attaching import Attaching
from minova.companions.volume.peers import Peers
from minova.companions.volume.queries import attachments, snapshots, volumes
from minova.companions.volume.records import Attachment, Volume
from minova.companions.volume.tables import attachments as table
from minova.companions.volume.work import Workshop

_ACTIONS = "volume_extension:volume_actions"
_ADMIN = "volume_extension:volume_admin_actions"
_REVERT, _REIMAGE, _EXTEND_COMPLETION = (3, 40), (3, 68), (3, 71)
_IMAGE_METADATA = "volume_extension:volume_image_metadata:set"

# What os-reset_status takes besides a status; a volume of ours never migrates.
_RESETTABLE = {
    "attach_status": ("attached", "detached", "none"),
    "migration_status": ("migrating", "error", "success", "completing", "none", "starting"),
}


class Actions:
    """The handler of actions."""

    def __init__(
        self,
        access: Access,
        workshop: Workshop,
        attaching: Attaching,
        peers: Peers,
        volumes_api: Volumes,
        defaults: Defaults,
    ) -> None:
        self._access, self._workshop, self._attaching = access, workshop, attaching
        self._peers, self._volumes_api, self._defaults = peers, volumes_api, defaults
        self._db = access.db
        # action -> (policy rule, status of the answer, what does it)
        self._table = {
            "os-reserve": (f"{_ACTIONS}:reserve", 202, self._swap),
            "os-unreserve": (f"{_ACTIONS}:unreserve", 202, self._unreserve),
            "os-attach": (f"{_ACTIONS}:attach", 202, self._attach),
            "os-begin_detaching": (f"{_ACTIONS}:begin_detaching", 202, self._swap),
            "os-roll_detaching": (f"{_ACTIONS}:roll_detaching", 202, self._swap),
            "os-detach": (f"{_ACTIONS}:detach", 202, self._detach),
            "os-force_detach": (f"{_ADMIN}:force_detach", 202, self._detach),
            "os-initialize_connection": (
                f"{_ACTIONS}:initialize_connection",
                200,
                self._initialize,
            ),
            "os-terminate_connection": (f"{_ACTIONS}:terminate_connection", 202, self._terminate),
            "os-reset_status": (f"{_ADMIN}:reset_status", 202, self._reset),
            "os-force_delete": (f"{_ADMIN}:force_delete", 202, self._force_delete),
            "os-extend": ("volume:extend", 202, self._extend),
            "os-extend_volume_completion": (
                f"{_ADMIN}:extend_volume_completion",
                202,
                self._complete_extend,
            ),
            "os-reimage": (f"{_ACTIONS}:reimage", 202, self._reimage),
            "revert": ("volume:revert_to_snapshot", 202, self._revert),
            "os-retype": ("volume:retype", 202, self._retype),
            "os-migrate_volume": (f"{_ADMIN}:migrate_volume", 202, self._migrate),
            "os-migrate_volume_completion": (
                f"{_ADMIN}:migrate_volume_completion",
                200,
                self._complete_migration,
            ),
            "os-set_bootable": (f"{_ACTIONS}:set_bootable", 200, self._set_bootable),
            "os-update_readonly_flag": ("volume:update_readonly_flag", 202, self._set_readonly),
            "os-set_image_metadata": (_IMAGE_METADATA, 200, self._set_image_metadata),
            "os-unset_image_metadata": (_IMAGE_METADATA, 200, self._unset_image_metadata),
            "os-show_image_metadata": ("volume:get", 200, self._show_image_metadata),
            "os-volume_upload_image": (f"{_ACTIONS}:upload_image", 202, self._upload),
        }

    def routes(self) -> list[Route]:
        return [Route("POST", "/v3/volumes/{volume_id}/action", self.act, 202)]

    def act(self, req: falcon.Request, resp: falcon.Response, volume_id: str) -> Any:
        body = wsgi.body_of(req)
        name = next(iter(body)) if isinstance(body, dict) and len(body) == 1 else None
        if name is None:
            raise errors.Invalid("The body of an action is an object with the action's name.")
        if name not in self._table:
            raise errors.Invalid(f"There is no such action: {name[:100]}")
        rule, status, method = self._table[name]
        volume = self._access.volume(req, volume_id, rule)
        schemas.check(schemas.ACTIONS[name], body)
        resp.status = status
        return method(req, volume, name, body[name])

    def _swap(self, req: falcon.Request, volume: Volume, name: str, _: Any) -> None:
        volumes.change(self._db, volume.id, name)

    def _unreserve(self, req: falcon.Request, volume: Volume, name: str, _: Any) -> None:
        volumes.change(self._db, volume.id, name, detached=True)

    def _attach(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> None:
        mode = asked.get("mode", "rw")
        if volume.readonly and mode == "rw":
            raise errors.Invalid(f"Volume {volume.id} is read-only; attach it with mode ro.")
        values = {
            "mountpoint": asked["mountpoint"],
            "host_name": asked.get("host_name"),
            "mode": mode,
        }
        self._attaching.attach(volume, asked.get("instance_uuid"), values)

    def _detach(self, req: falcon.Request, volume: Volume, name: str, asked: Any) -> None:
        found = self._attachment_of(volume, (asked or {}).get("attachment_id"))
        if found is None:
            if name == "os-force_detach" or volume.status in (states.DETACHING, states.AVAILABLE):
                volumes.settle(self._db, volume.id, volume.status, states.AVAILABLE)
                return
            raise errors.Invalid(f"Invalid volume: volume {volume.id} is not attached.")
        self._attaching.may_detach(req.context.ctxt, found)
        self._attaching.detach(found.id)

    def _initialize(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> Any:
        return {"connection_info": self._attaching.initialize(volume, asked["connector"])}

    def _terminate(self, req: falcon.Request, volume: Volume, name: str, _: Any) -> None:
        """An export ends with its attachment: one that a server has is left to it."""
        for attachment in attachments.of_volumes(self._db, [volume.id])[volume.id]:
            self._attaching.may_detach(req.context.ctxt, attachment)
        self._attaching.terminate(volume)

    def _attachment_of(self, volume: Volume, attachment_id: str | None) -> Attachment | None:
        """The attachment that is meant: the given one, or the only one."""
        found = attachments.find(self._db, [table.c.volume_id == volume.id])
        if attachment_id is not None:
            found = [attachment for attachment in found if attachment.id == attachment_id]
            if not found:
                raise errors.Invalid(
                    f"Invalid volume: {attachment_id} is no attachment of volume {volume.id}."
                )
        if len(found) > 1:
            raise errors.Invalid(
                f"Invalid volume: volume {volume.id} has several attachments; name one."
            )
        return found[0] if found else None

    def _reset(self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]) -> None:
        status = asked.get("status")
        known = states.SETTABLE
        if status is None and not any(asked.values()):
            raise errors.Invalid("Must specify 'status', 'attach_status' or 'migration_status'.")
        for field, allowed in _RESETTABLE.items():
            if (asked.get(field) or "none").lower() not in allowed:
                raise errors.Invalid(f"Must specify a valid {field.replace('_', ' ')}")
        if (asked.get("attach_status") or "").lower() == "detached":
            self._detach_all(req, volume)
        if status is not None:
            if status.lower() not in known:
                raise errors.Invalid(
                    f"Must specify a valid status, one of {', '.join(known)}; "
                    "the others are set by the service while it works."
                )
            volumes.update(self._db, volume.id, status=status.lower())

    def _detach_all(self, req: falcon.Request, volume: Volume) -> None:
        for attachment in attachments.of_volumes(self._db, [volume.id])[volume.id]:
            self._attaching.may_detach(req.context.ctxt, attachment)
            self._attaching.detach(attachment.id)

    def _force_delete(self, req: falcon.Request, volume: Volume, name: str, _: Any) -> None:
        self._volumes_api.force_delete(req, volume)

    def _extend(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> None:
        size_gb = int(asked["new_size"])
        if size_gb <= volume.size_gb:
            raise errors.Invalid(
                f"Invalid input for field/attribute new_size: the new size must be greater than "
                f"the {volume.size_gb} GiB the volume has."
            )
        if size_gb > self._defaults.max_size_gb:
            raise errors.Invalid(
                "Invalid input for field/attribute new_size: a volume has at most "
                f"{self._defaults.max_size_gb} GiB."
            )
        volumes.extend(self._db, volume, size_gb, self._defaults.limits)
        self._workshop.extend(volume.id)

    def _reimage(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> None:
        require(req, _REIMAGE)
        source = self._volumes_api.image_source(req, asked["image_id"])
        if source.min_size_gb > volume.size_gb:
            raise errors.Invalid(
                f"Invalid volume: volume {volume.id} of {volume.size_gb} GiB is smaller than the "
                f"{source.min_size_gb} GiB that image {asked['image_id']} needs."
            )
        reserved = schemas.is_true(asked.get("reimage_reserved", False))
        change = "reimage_reserved" if reserved else "reimage"
        volumes.change(self._db, volume.id, change, **source.columns)
        self._workshop.reimage(volume.id)

    def _complete_extend(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> None:
        """No growth of ours waits for the compute service."""
        require(req, _EXTEND_COMPLETION)
        raise errors.Invalid(
            f"Invalid volume: Volume {volume.id} has no extension that waits to be completed: its "
            f"status is {volume.status}."
        )

    def _revert(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> None:
        require(req, _REVERT)
        snapshot = self._access.snapshot(req, asked["snapshot_id"], "volume:get_snapshot")
        snapshots.begin_revert(self._db, volume, snapshot.id)
        self._workshop.revert(volume.id)

    def _retype(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> None:
        """There is one type only."""
        check_type(asked["new_type"])
        raise errors.Invalid(
            "Invalid volume: Retype needs volume to be in available or in-use state, not be part "
            "of an active migration or a consistency group, requested type has to be different "
            "that the one from the volume, and for in-use volumes front-end qos specs cannot "
            "change."
        )

    def _migrate(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> None:
        """There is one host only."""
        host = asked.get("host") or asked.get("cluster")
        if not host:
            raise errors.Invalid("Either host or cluster must be specified.")
        if host.partition("#")[0] not in (volume.host, f"{volume.host}@{BACKEND}"):
            raise errors.Invalid(f"Invalid host: No available service named '{host[:255]}'")
        raise errors.Invalid(
            f"Invalid volume: Volume {volume.id} status must be available or in-use, must not be "
            "migrating, have snapshots, be replicated, be part of a group and destination "
            "host/cluster must be different than the current one"
        )

    def _complete_migration(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> Any:
        """No volume of ours migrates by itself: the new one takes the place of the old one."""
        rule = f"{_ADMIN}:migrate_volume_completion"
        new = self._access.volume(req, asked["new_volume"], rule)
        if not schemas.is_true(asked.get("error") or False):
            for held in attachments.of_volumes(self._db, [volume.id])[volume.id]:
                self._attaching.may_detach(req.context.ctxt, held)
                self._attaching.detach(held.id)
                names = ("mountpoint", "host_name", "mode")
                values = {name: getattr(held, name) for name in names}
                self._attaching.attach(new, held.server_id, values)
        return {"save_volume_id": new.id}

    def _set_bootable(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> None:
        volumes.update(self._db, volume.id, bootable=schemas.is_true(asked["bootable"]))

    def _set_readonly(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> None:
        if volume.status != states.AVAILABLE:
            raise errors.Invalid(
                f"Invalid volume: volume {volume.id} must be available to change whether it is "
                f"read-only, but it is {volume.status}."
            )
        volumes.update(self._db, volume.id, readonly=schemas.is_true(asked["readonly"]))

    def _set_image_metadata(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> Any:
        kept = {**volume.image_metadata, **asked["metadata"]}
        if len(kept) > schemas.MAX_METADATA:
            raise errors.Invalid(f"A volume has at most {schemas.MAX_METADATA} metadata items.")
        return {"metadata": volumes.update(self._db, volume.id, image_metadata=kept).image_metadata}

    def _unset_image_metadata(
        self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]
    ) -> None:
        key = asked["key"]
        if key not in volume.image_metadata:
            raise errors.NotFound(f"Volume {volume.id} has no image metadata with key {key}.")
        kept = {k: v for k, v in volume.image_metadata.items() if k != key}
        volumes.update(self._db, volume.id, image_metadata=kept)

    def _show_image_metadata(self, req: falcon.Request, volume: Volume, name: str, _: Any) -> Any:
        return {"metadata": volume.image_metadata}

    def _upload(self, req: falcon.Request, volume: Volume, name: str, asked: dict[str, Any]) -> Any:
        """An image of the volume, made with the caller's token: it becomes hers."""
        token = req.context.ctxt.auth_token
        disk_format = asked.get("disk_format") or "raw"
        record = {
            "name": asked["image_name"],
            "disk_format": disk_format,
            "container_format": "bare",
            "min_disk": volume.size_gb,
            "visibility": asked.get("visibility", "private"),
            "protected": schemas.is_true(asked.get("protected", False)),
        }
        volume = volumes.change(self._db, volume.id, "upload", detached=True)
        try:
            image = self._peers.images().create(record, token)
        except errors.MinovaError:
            volumes.settle(self._db, volume.id, states.UPLOADING, states.AVAILABLE)
            raise
        self._workshop.upload(volume.id, image["id"], disk_format, token)
        return {
            name: {
                "id": volume.id,
                "updated_at": timestamp(volume.updated_at),
                "status": volume.status,
                "display_description": volume.description,
                "size": volume.size_gb,
                "volume_type": {"id": TYPE_ID, "name": TYPE_NAME, "is_public": True},
                "image_id": image["id"],
                "image_name": asked["image_name"],
                "container_format": "bare",
                "disk_format": disk_format,
                "visibility": record["visibility"],
                "protected": record["protected"],
                "is_public": record["visibility"] == "public",
            }
        }
