"""Giving a volume to a server and taking it back: the DB first, then the export.

reserve -> connect (the export starts) -> complete -> detach (the export ends)

What a guest uses can only be taken away by a service (CVE-2023-2088): the
guest would go on writing to an export that may be another's by then.
"""

import functools
import logging
import uuid
from typing import Any

from minova.common import context, errors
from minova.common.context import RequestContext
from minova.companions.volume import states
from minova.companions.volume.exports import Exports
from minova.companions.volume.peers import Peers
from minova.companions.volume.queries import attachments
from minova.companions.volume.records import Attachment, Volume, now
from minova.db.engine import Database

LOG = logging.getLogger(__name__)
_SERVICE_ROLE = "service"


class Attaching:
    """The life of an attachment."""

    def __init__(self, db: Database, exports: Exports, peers: Peers, host: str) -> None:
        self._db, self._exports, self._peers, self._host = db, exports, peers, host

    def reserve(self, volume: Volume, server_id: str | None, mode: str = "rw") -> Attachment:
        """Promise the volume to a server; errors.Invalid if it is not available."""
        attachment = Attachment(
            id=str(uuid.uuid4()),
            volume_id=volume.id,
            server_id=server_id,
            status=states.RESERVED,
            created_at=now(),
            mode="ro" if volume.readonly else mode,
        )
        attachments.add(self._db, attachment, "reserve")
        return attachment

    def attach(self, volume: Volume, server_id: str | None, values: dict[str, Any]) -> None:
        """The old os-attach: note that a server has the volume, exported already or not."""
        begun = self._initialized(volume)
        if begun is not None:
            values["host_name"] = values["host_name"] or begun.host_name
            attachments.complete(self._db, begun.id, server_id=server_id, **values)
            return
        attachment = Attachment(
            id=str(uuid.uuid4()),
            volume_id=volume.id,
            server_id=server_id,
            status=states.ATTACHED,
            created_at=now(),
            attached_at=now(),
            **values,
        )
        attachments.add(self._db, attachment, "os-attach")

    def initialize(self, volume: Volume, connector: dict[str, Any]) -> dict[str, Any]:
        """The old os-initialize_connection: the connection_info of an export. Idempotent.

        Of the volume's only attachment, or of one that os-attach completes.
        """
        held = attachments.of_volumes(self._db, [volume.id])[volume.id]
        same_host = [one for one in held if one.host_name == connector.get("host")]
        if held:
            return self.connect((same_host or held)[0].id, connector)
        attachment = Attachment(
            id=str(uuid.uuid4()),
            volume_id=volume.id,
            server_id=None,
            status=states.RESERVED,
            created_at=now(),
            mode="ro" if volume.readonly else "rw",
        )
        attachments.add(self._db, attachment, "os-initialize_connection")
        return self.connect(attachment.id, connector)

    def terminate(self, volume: Volume) -> None:
        """The old os-terminate_connection: end what `initialize` began and nobody completed."""
        begun = self._initialized(volume)
        if begun is not None:
            self.detach(begun.id)

    def _initialized(self, volume: Volume) -> Attachment | None:
        held = attachments.of_volumes(self._db, [volume.id])[volume.id]
        open_to_all = [
            one
            for one in held
            if one.connected and one.server_id is None and one.status == states.ATTACHING
        ]
        return open_to_all[0] if open_to_all else None

    def connect(self, attachment_id: str, connector: dict[str, Any]) -> dict[str, Any]:
        """Export the volume to the connector's host: its connection_info. Idempotent."""
        attachment, volume = attachments.connect(
            self._db, attachment_id, connector.get("host"), connector.get("mountpoint")
        )
        try:
            self._exports.start(
                volume,
                _readonly(volume, attachment.mode),
                wanted=functools.partial(attachments.is_served, self._db, volume.id),
            )
        except errors.Unavailable:
            attachments.disconnect(self._db, attachment_id)
            raise
        return self.connection_info(attachment, volume)

    def connection_info(self, attachment: Attachment, volume: Volume) -> dict[str, Any]:
        """Where the export is; empty before `connect`."""
        if not attachment.connected:
            return {}
        mode = "ro" if _readonly(volume, attachment.mode) else "rw"
        return self._exports.connection_info(volume, mode)

    def complete(self, attachment_id: str) -> None:
        """The guest has the volume."""
        attachments.complete(self._db, attachment_id)

    def may_detach(self, ctxt: RequestContext, attachment: Attachment) -> None:
        """errors.Conflict unless a service asks, or no guest can be using the volume."""
        if _is_service(ctxt) or not attachment.connected:
            return
        server_id = attachment.server_id
        if server_id is not None and not self._peers.servers().has_volume(
            server_id, attachment.volume_id
        ):
            return
        user = f"server {server_id}" if server_id else f"host {attachment.host_name}"
        raise errors.Conflict(
            f"Volume {attachment.volume_id} is attached to {user}; "
            "detach it with the compute service."
        )

    def detach(self, attachment_id: str) -> None:
        """End the attachment, and the export with the last one. Idempotent.

        errors.Unavailable if the export does not end: then the volume is in
        error_detaching, and nobody else gets it.
        """
        attachment, last = attachments.begin_detach(self._db, attachment_id)
        if last:
            try:
                self._exports.stop(attachment.volume_id)
            except errors.Unavailable:
                attachments.fail_detach(self._db, attachment_id)
                raise
        attachments.finish_detach(self._db, attachment_id)

    def resume(self) -> None:
        """After a start: end the detachments that were interrupted, then check the exports."""
        for attachment in attachments.detaching(self._db, self._host):
            LOG.info("finishing the interrupted detachment %s", attachment.id)
            try:
                self.detach(attachment.id)
            except errors.MinovaError as error:
                LOG.error("attachment %s: %s", attachment.id, error.message)
        self.check()

    def check(self) -> None:
        """Start again the exports that should run and do not."""
        for volume, mode in attachments.served_volumes(self._db, self._host):
            if self._exports.running(volume.id):
                continue
            LOG.warning("volume %s is attached and not exported; starting its export", volume.id)
            try:
                self._exports.start(
                    volume,
                    _readonly(volume, mode),
                    wanted=functools.partial(attachments.is_served, self._db, volume.id),
                )
            except errors.MinovaError as error:
                LOG.error("volume %s: %s", volume.id, error.message)


def _readonly(volume: Volume, mode: str) -> bool:
    return bool(volume.readonly) or mode == "ro"


def _is_service(ctxt: context.RequestContext) -> bool:
    """A service's own token, or one beside the user's (X-Service-Token)."""
    return _SERVICE_ROLE in ctxt.roles or _SERVICE_ROLE in (ctxt.service_roles or ())
