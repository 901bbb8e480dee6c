"""Shelved servers that have been on their host for long enough: off it."""

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


class Shelving:
    """Run `offload_overdue` now and then; several conductors may."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._compute = ComputeAPI()

    def offload_overdue(self) -> None:
        """Begin a shelveOffload of what was shelved `[compute] shelved_offload_time` s ago."""
        seconds = cfg.CONF.compute.shelved_offload_time
        if seconds < 0:
            return
        ctxt = service_context()
        for uuid in instances.shelved_before(self._db, utcnow() - dt.timedelta(seconds=seconds)):
            try:
                work = states.begin(
                    self._db,
                    ctxt,
                    uuid,
                    "shelveOffload",
                    lease_seconds=cfg.CONF.conductor.message_seconds,
                )
                self._compute.run(ctxt, str(work.host), work.id)
            except errors.MinovaError as error:
                LOG.info("instance %s is not offloaded now: %s", uuid, error.message)
