"""Recovery: what happens to work whose owner is gone.

Every few seconds the conductor looks for leases that ran out. What can be
done again is asked for again: a launch not yet placed of a conductor, an
action on a living host of that host. What cannot is failed with a fault
that names the step. Nothing stays in flight for ever.

The sweep only sends messages and writes rows, and never waits for anybody:
one stuck launch must not keep the others from being recovered.
"""

import logging
import math
from collections.abc import Callable

from oslo_config import cfg

from minova.common import errors, tracing
from minova.common.context import RequestContext
from minova.compute.rpcapi import ComputeAPI
from minova.conductor import migrate
from minova.conductor.launch import Launcher
from minova.conductor.rpcapi import ConductorAPI
from minova.db import hosts, instances, states, work
from minova.db.engine import Database
from minova.model import states as model_states
from minova.model import steps
from minova.model.instance import utcnow
from minova.model.work import Work

LOG = logging.getLogger(__name__)

# How long a host may say nothing before its work is somebody else's; three
# reports at least. And how often work is asked for and taken before it is given up.
HOST_GRACE_SECONDS = 30
MAX_ATTEMPTS = 8
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
        self._conductor = ConductorAPI()
        self._started = utcnow()
        self._inherited = False

    def sweep(self) -> None:
        """Look once, and deal with each lease that ran out."""
        if not self._inherited:
            # What this host's last conductor was doing, nobody does any more.
            work.forsake_earlier(self._db, self._launcher.owner)
            self._inherited = True
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
        if entry.attempts >= MAX_ATTEMPTS:
            self._fail(entry, f"it was given up after {entry.attempts} attempts")
            return
        recover = _STAGES[entry.stage]
        # The work goes on in the trace it began in.
        with tracing.span("recover", parent=tracing.extract(entry.context.get("trace") or {})):
            recover(self, ctxt, entry)

    def _schedule(self, ctxt: RequestContext, entry: Work) -> None:
        if self._ask_again(entry):
            self._conductor.launch(ctxt, entry.id)

    def _unhosted(self, ctxt: RequestContext, entry: Work) -> None:
        if self._ask_again(entry):
            self._conductor.delete_unhosted(ctxt, entry.id)

    def _host(self, ctxt: RequestContext, entry: Work) -> None:
        """Cast to the host again if it lives; without it, once it has been away for too long."""
        host = entry.host or ""
        if self._silence(host) < max(HOST_GRACE_SECONDS, 3 * cfg.CONF.compute.report_interval):
            if self._ask_again(entry):
                cast = self._compute.build if entry.action == "create" else self._compute.run
                cast(ctxt, host, entry.id)
        elif entry.action in _DELETES:
            # The host removes what it has when it comes back; the server is gone now.
            self._launcher.delete_without_host(ctxt, entry)
        else:
            self._fail(entry, f"nova-compute on host {host} stopped and has not come back")

    def _silence(self, host: str) -> float:
        """Seconds since the host's nova-compute was heard, as far as somebody has listened."""
        found = hosts.services(self._db, host=host, binary="nova-compute")
        if not found or found[0].forced_down:
            return math.inf
        return (utcnow() - max(found[0].last_seen_at, self._started)).total_seconds()

    def _ask_again(self, entry: Work) -> bool:
        return work.ask_again(self._db, entry.id, cfg.CONF.conductor.message_seconds)

    def _fail(self, entry: Work, reason: str) -> None:
        """End the action with a fault; take it first, so that only one does."""
        taken = self._launcher.take(entry.id, entry.stage)
        if taken is None:
            return
        owner = self._launcher.owner
        if entry.action != "create":
            self._launcher.discard_images(taken)
            message = f"{entry.action} did not finish: {reason}."
            states.fail(
                self._db, taken, owner, code=500, message=message, vm_state=migrate.before(taken)
            )
            return
        try:
            task = instances.get(self._db, entry.instance_uuid).task_state
        except errors.NotFound:
            task = None
        at = steps.title(5 if entry.stage == "schedule" else _STEP_AT.get(task, 8))
        message = f"The launch stopped at {at}: {reason}. Delete the server and try again."
        self._launcher.fail(taken, owner, message)


_STAGES: dict[str, Callable[[Recovery, RequestContext, Work], None]] = {
    "schedule": Recovery._schedule,
    "conductor": Recovery._unhosted,
    "host": Recovery._host,
}
