"""Servers that were deleted and kept for a while: when the while is over, they go."""

import datetime as dt
import logging

from oslo_config import cfg

from minova.common import errors
from minova.common.context import service_context
from minova.compute.rpcapi import ComputeAPI
from minova.db import instances, states
from minova.db.engine import Database
from minova.model.instance import utcnow

LOG = logging.getLogger(__name__)
_INTERVAL = 60


class Reclaimer:
    """Run `sweep` every `interval` seconds; several conductors may."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._compute = ComputeAPI()

    @property
    def interval(self) -> int:
        return min(_INTERVAL, cfg.CONF.compute.reclaim_instance_interval or _INTERVAL)

    def sweep(self) -> None:
        """Begin to delete what has been kept for long enough."""
        keep = dt.timedelta(seconds=cfg.CONF.compute.reclaim_instance_interval)
        for uuid in instances.soft_deleted_before(self._db, utcnow() - keep):
            try:
                self._delete(uuid)
            except (errors.Conflict, errors.NotFound) as error:
                LOG.info("instance %s is not reclaimed now: %s", uuid, error.message)

    def _delete(self, uuid: str) -> None:
        ctxt = service_context()
        work = states.begin(
            self._db, ctxt, uuid, "delete", lease_seconds=cfg.CONF.conductor.message_seconds
        )
        LOG.info("instance %s was deleted and is not kept any longer", uuid)
        # Without a host, or should the message get lost, recovery does it.
        if work.host is not None:
            self._compute.run(ctxt, work.host, work.id)
