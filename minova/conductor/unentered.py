"""Volumes of launches that nova-api did not live to enter: given back, or deleted."""

import logging

from minova.clients.volume import VolumeClient
from minova.common import errors
from minova.db import unentered
from minova.db.engine import Database

LOG = logging.getLogger(__name__)
# Longer than it takes to delete a launch's volumes, one after the other.
_SECONDS = 300


class Unentered:
    """Run `sweep` every few seconds, in a thread of its own; several conductors may."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._volumes = VolumeClient()

    def sweep(self) -> None:
        """Clear away after the launches whose time is over."""
        for uuid in unentered.overdue(self._db, _SECONDS):
            try:
                self._clear_away(uuid)
            except errors.MinovaError as error:
                # It comes up again.
                LOG.warning("the volumes of the unborn server %s stay: %s", uuid, error.message)

    def _clear_away(self, uuid: str) -> None:
        for attachment_id in self._volumes.attachments(uuid):
            LOG.info("a volume is no longer reserved for %s, which was never entered", uuid)
            self._volumes.detach(attachment_id)
        for volume_id in self._volumes.made_for(uuid):
            LOG.info("volume %s was made for %s, which was never entered", volume_id, uuid)
            self._volumes.discard(volume_id)
        unentered.forget(self._db, uuid)
