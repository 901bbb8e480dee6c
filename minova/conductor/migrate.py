"""Resizes and cold migrations, from the API's cast to the host that the instance leaves.

A move that finds no host leaves the server as it was. One that was done and
that nobody confirms in time, is confirmed here.
"""

import logging

import oslo_messaging
from oslo_config import cfg

from minova.common import errors
from minova.common.context import RequestContext, service_context
from minova.compute.rpcapi import ComputeAPI
from minova.db import actions, instances, migration_list, moves, states, work
from minova.db.engine import Database
from minova.model import migration as migrations
from minova.model.instance import utcnow
from minova.model.work import Work
from minova.scheduler.rpcapi import SchedulerAPI

LOG = logging.getLogger(__name__)
ACTIONS = ("resize", "migrate")
# Of the `attempts`: each try counts twice, once asked for and once taken.
_MAX_TRIES = 6


class Mover:
    """Places moves; `owner` names this conductor in the leases of what it works on."""

    def __init__(self, db: Database, owner: str) -> None:
        self._db, self._owner = db, owner
        self._scheduler = SchedulerAPI()
        self._compute = ComputeAPI()

    def place(self, ctxt: RequestContext, entry: Work) -> None:
        """Have the scheduler choose where the instance goes; it stays as it is if nowhere."""
        started = utcnow()
        try:
            self._scheduler.select_destination(ctxt, entry, self._owner)
        except (errors.Unavailable, oslo_messaging.MessagingException) as error:
            # Whether it was placed is in the DB; if not, recovery asks again.
            reason = getattr(error, "message", None) or "the scheduler failed; see its log"
            LOG.warning("instance %s: %s", entry.instance_uuid, reason)
            if entry.attempts >= _MAX_TRIES:
                self._refuse(entry, reason)
            else:
                work.release(self._db, entry.id, self._owner)
        except errors.MinovaError as error:
            self._event(entry, started, "Error", error.message)
            self._refuse(entry, error.message)
        else:
            self._event(entry, started, "Success", None)

    def _refuse(self, entry: Work, message: str) -> None:
        try:
            states.fail(
                self._db, entry, self._owner, code=400, message=message, vm_state=before(entry)
            )
        except errors.Conflict as conflict:
            LOG.info("instance %s: %s", entry.instance_uuid, conflict.message)

    def confirm_overdue(self) -> None:
        """Confirm what has waited for longer than `[compute] resize_confirm_window`."""
        ctxt = service_context()
        for uuid in migration_list.overdue(self._db, cfg.CONF.compute.resize_confirm_window):
            LOG.info("instance %s: nobody confirms its resize in time; confirming it", uuid)
            try:
                instance = instances.get(self._db, uuid)
                entry = states.begin(
                    self._db,
                    ctxt,
                    instance.uuid,
                    "confirmResize",
                    lease_seconds=cfg.CONF.conductor.message_seconds,
                    within=moves.taken(migrations.CONFIRMING),
                )
                self._compute.run(ctxt, str(entry.host), entry.id)
            except errors.MinovaError as error:
                LOG.warning("instance %s: %s", uuid, error.message)

    def _event(self, entry: Work, started: object, result: str, details: str | None) -> None:
        if entry.action_id is not None:
            actions.add_event(
                self._db,
                entry.action_id,
                "cold_migrate",
                started=started,
                result=result,
                host=self._owner.split("@")[1].split("/")[0],
                details=details,
            )


def before(entry: Work) -> str | None:
    """The vm_state in which a move that no host has begun has left the instance; None: no such."""
    migration = entry.request.get("migration")
    if entry.stage != "schedule" or migration is None:
        return None
    return str(migration.old_vm_state)
