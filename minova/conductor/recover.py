"""Recovery: what happens to work whose owner is gone.

Every few seconds the conductor looks for leases that ran out. What can be
done again is: a launch not yet placed is scheduled again, an action on a
living host is cast to it again. What cannot is failed with a fault that
names the step. Nothing stays in flight for ever.
"""

import logging
from collections.abc import Callable

from oslo_config import cfg

from minova.common import errors, tracing
from minova.common.context import RequestContext
from minova.compute.rpcapi import ComputeAPI
from minova.conductor.launch import Launcher
from minova.db import hosts, instances, states, work
from minova.db.engine import Database
from minova.model import states as model_states
from minova.model import steps
from minova.model.instance import utcnow
from minova.model.work import Work

LOG = logging.getLogger(__name__)

# How long the work of a host that says nothing waits for it to come back
# after its lease ran out, and how often one piece of work changes hands.
HOST_GRACE_SECONDS = 30
MAX_TAKERS = 6
_DELETES = ("delete", "forceDelete")

# The step a launch stood at, by its task_state.
_STEP_AT: dict[str | None, int] = {
    model_states.SCHEDULING: 8,
    None: 12,
    model_states.NETWORKING: 13,
    model_states.BLOCK_DEVICE_MAPPING: 14,
    model_states.SPAWNING: 16,
}


class Recovery:
    """Run `sweep` every few seconds; several conductors may."""

    def __init__(self, db: Database, launcher: Launcher) -> None:
        self._db = db
        self._launcher = launcher
        self._compute = ComputeAPI()

    def sweep(self) -> None:
        """Look once, and deal with each lease that ran out."""
        self._launcher.renew()
        for entry in work.expired(self._db):
            try:
                self._recover(entry)
            except errors.MinovaError as error:
                LOG.warning(
                    "recovering %s of %s: %s", entry.action, entry.instance_uuid, error.message
                )

    def _recover(self, entry: Work) -> None:
        LOG.warning(
            "the lease of %s on instance %s (owner %s, stage %s) ran out",
            entry.action,
            entry.instance_uuid,
            entry.owner or "nobody",
            entry.stage,
        )
        ctxt = RequestContext.from_wire(entry.context)
        if entry.attempts >= MAX_TAKERS:
            self._fail(entry, f"it was given up after {entry.attempts} attempts")
            return
        recover = _STAGES[entry.stage]
        # The work goes on in the trace it began in.
        with tracing.span("recover", parent=tracing.extract(entry.context.get("trace") or {})):
            recover(self, ctxt, entry)

    def _schedule(self, ctxt: RequestContext, entry: Work) -> None:
        self._launcher.launch(ctxt, entry.id)

    def _conductor(self, ctxt: RequestContext, entry: Work) -> None:
        self._launcher.delete_unhosted(ctxt, entry.id)

    def _host(self, ctxt: RequestContext, entry: Work) -> None:
        """Cast to the host again if it lives; fail once it has been away for too long."""
        host = entry.host or ""
        service = next(iter(hosts.services(self._db, host=host, binary="nova-compute")), None)
        silent = (utcnow() - entry.lease_until).total_seconds()
        recent = 3 * cfg.CONF.compute.report_interval
        if service is not None and service.is_up(recent) and silent < 2 * HOST_GRACE_SECONDS:
            cast = self._compute.build if entry.action == "create" else self._compute.run
            cast(ctxt, host, entry.id)
        elif silent > HOST_GRACE_SECONDS and entry.action in _DELETES:
            # The host removes what it has when it comes back; the server is gone now.
            self._launcher.delete_without_host(ctxt, entry)
        elif silent > HOST_GRACE_SECONDS:
            self._fail(entry, f"nova-compute on host {host} stopped and has not come back")

    def _fail(self, entry: Work, reason: str) -> None:
        """End the action with a fault; take it first, so that only one does."""
        taken = work.take(
            self._db, entry.id, self._launcher.owner, cfg.CONF.conductor.lease_seconds
        )
        if taken is None:
            return
        if entry.action == "create":
            instance = instances.get(self._db, entry.instance_uuid)
            at = steps.title(_STEP_AT.get(instance.task_state, 8))
            message = f"The launch stopped at {at}: {reason}. Delete the server and try again."
        else:
            message = f"{entry.action} did not finish: {reason}."
        states.fail(self._db, taken, self._launcher.owner, code=500, message=message)


_STAGES: dict[str, Callable[[Recovery, RequestContext, Work], None]] = {
    "schedule": Recovery._schedule,
    "conductor": Recovery._conductor,
    "host": Recovery._host,
}
