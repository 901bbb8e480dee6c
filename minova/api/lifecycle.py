"""Every action on a server that exists, as the API decides it.

`states.begin` is the decision: it refuses (409) or enters the action and
its work in flight. The cast that follows only tells who does it; a lost one
is repeated by recovery.
"""

import logging
import time
from typing import Any

from oslo_config import cfg

from minova.common import errors
from minova.common.context import RequestContext
from minova.compute.rpcapi import ComputeAPI
from minova.conductor.rpcapi import ConductorAPI
from minova.db import actions, instances, states
from minova.db import work as work_in_flight
from minova.db.engine import Database
from minova.model import states as model_states
from minova.model.diagnostics import Diagnostics
from minova.model.instance import Instance
from minova.model.work import Work

LOG = logging.getLogger(__name__)
_DELETE_ATTEMPTS = 5
# Seconds between two looks for an outcome that a client waits for.
_ASK_AGAIN = 0.03
# What can be done to a server that no host has.
_WITHOUT_HOST = ("delete", "forceDelete")


class Lifecycle:
    """Begins actions and hands them to the process that does them."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._compute = ComputeAPI()
        self._conductor = ConductorAPI()

    def delete(self, ctxt: RequestContext, instance: Instance) -> None:
        """Delete a server from whatever state. Idempotent while it is being deleted.

        It is kept for a while where [compute] reclaim_instance_interval says so.
        """
        for attempt in range(_DELETE_ATTEMPTS):
            action = _deletion_of(instance)
            if action is None and not instance.locked:
                return
            try:
                self.begin(ctxt, instance, action or "delete")
                return
            except errors.Conflict:
                # A launch in flight changes the state all the time; look again.
                if instance.locked or attempt == _DELETE_ATTEMPTS - 1:
                    raise
            except errors.NotFound:
                return
            try:
                instance = instances.get(self._db, instance.uuid)
            except errors.NotFound:
                return

    def begin(
        self,
        ctxt: RequestContext,
        instance: Instance,
        action: str,
        *,
        word: str | None = None,
        request: dict[str, Any] | None = None,
        stage: str | None = None,
        within: states.Within | None = None,
    ) -> Work:
        """Start an action of states.ACTIONS, or raise errors.Conflict in Nova's words.

        `word` is what the client calls it; `request` what the host needs to
        know besides. Of stage `schedule`, a host is sought for it first. For
        `within` see db.states.begin.
        """
        # Without a host and never launched, it is the state that `begin` will refuse.
        placed = instance.host is not None or stage is not None or action in _WITHOUT_HOST
        if instance.launched_at and not placed:
            states.check(ctxt, instance, action, word=word)
            raise errors.Conflict(f"Instance {instance.uuid} is not ready")
        work = states.begin(
            self._db,
            ctxt,
            instance.uuid,
            action,
            lease_seconds=cfg.CONF.conductor.message_seconds,
            word=word,
            request=request,
            stage=stage,
            within=within,
        )
        try:
            if work.stage == "schedule":
                self._conductor.launch(ctxt, work.id)
            elif work.host is not None:
                self._compute.run(ctxt, work.host, work.id)
            elif action in _WITHOUT_HOST:
                self._conductor.delete_unhosted(ctxt, work.id)
        except Exception:
            LOG.exception("instance %s: cannot cast its %s", instance.uuid, action)
        return work

    def outcome(self, work: Work, seconds: float) -> str | None:
        """Wait until the action has ended, or for `seconds`: why it failed, None if it has not."""
        end = time.monotonic() + seconds
        while not work_in_flight.has_ended(self._db, work.id):
            if time.monotonic() > end:
                return None
            time.sleep(_ASK_AGAIN)
        return actions.message_of(self._db, work.action_id)

    def change_password(self, ctxt: RequestContext, instance: Instance, password: str) -> None:
        """Set the administrator's password in the guest, and wait until it is.

        The password is told to the host only, and kept nowhere. errors.Conflict
        when the guest has no agent to set it, or the agent refuses.
        """
        states.check(ctxt, instance, "changePassword")
        if instance.host is None:
            raise errors.Conflict(f"Instance {instance.uuid} is not ready")
        lease = cfg.CONF.conductor.lease_seconds
        work = states.begin(self._db, ctxt, instance.uuid, "changePassword", lease_seconds=lease)
        self._compute.set_password(ctxt, str(work.host), work.id, password)

    def diagnostics(self, ctxt: RequestContext, instance: Instance) -> Diagnostics:
        """What the guest has used; errors.Conflict without a host."""
        if instance.host is None:
            raise errors.Conflict(f"Instance {instance.uuid} is not ready")
        return self._compute.diagnostics(ctxt, instance.host, instance.uuid)

    def console_output(self, ctxt: RequestContext, instance: Instance, lines: int | None) -> str:
        """The end of the console's log; errors.Conflict without a host."""
        if instance.host is None:
            raise errors.Conflict(f"Instance {instance.uuid} is not ready")
        return self._compute.console_output(ctxt, instance.host, instance.uuid, lines)

    def console_base_url(self, ctxt: RequestContext, instance: Instance, protocol: str) -> str:
        """Where the server's host has its consoles of `protocol`; errors.Conflict if nowhere."""
        if instance.host is None:
            raise errors.Conflict(f"Instance {instance.uuid} is not ready")
        return self._compute.console_base_url(ctxt, instance.host, instance.uuid, protocol)


def _deletion_of(instance: Instance) -> str | None:
    """What DELETE begins; None when it is under way, or done as far as it goes."""
    if instance.task_state == model_states.DELETING:
        return None
    kept = cfg.CONF.compute.reclaim_instance_interval > 0
    if not (kept and instance.launched_at and instance.host):
        return "delete"
    under_way = instance.task_state == model_states.SOFT_DELETING
    done = instance.vm_state == model_states.SOFT_DELETED and instance.task_state is None
    return None if under_way or done else "softDelete"
