"""Runs one action of an instance, and writes its outcome."""

import datetime as dt
import logging
import threading
import traceback
from dataclasses import replace
from typing import Any

from minova.common import errors
from minova.common.context import RequestContext
from minova.compute.actions import ACTIONS
from minova.compute.actions.host import Act, Host, Outcome, Unchanged
from minova.model import states
from minova.model.instance import Instance, utcnow
from minova.model.work import Work

LOG = logging.getLogger(__name__)
_EVENT_NAMES = {
    "delete": "terminate",
    "forceDelete": "terminate",
    "reboot_hard": "reboot",
    "createImage": "snapshot",
    "createBackup": "backup",
    "shelveOffload": "shelve_offload",
    "softDelete": "soft_delete",
}
# What is not called after the instance.
_EVENTS = {
    "confirmResize": "compute_confirm_resize",
    "revertResize": "compute_revert_resize",
    "migrate": "compute_resize_instance",
    "attach_interface": "compute_attach_interface",
    "detach_interface": "compute_detach_interface",
}


class Runner:
    """Does the actions of one compute host."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._conductor = host.conductor

    def run(self, ctxt: RequestContext, work: Work, cancelled: threading.Event) -> None:
        """Do the action of `work`, which this process owns, and write its outcome.

        It gives up when `cancelled` is set.
        """
        self.do(ctxt, work, cancelled, ACTIONS.get(work.action, _unknown))

    def do(
        self, ctxt: RequestContext, work: Work, cancelled: threading.Event, act: Act
    ) -> Exception | None:
        """Do it by `act` and write its outcome; what it failed with, for one who waits."""
        started = utcnow()
        host = replace(self._host, cancelled=lambda uuid: cancelled)
        try:
            instance = self._conductor.instance_get(ctxt, work.instance_uuid)
            if _is_over(work, instance):
                LOG.info("instance %s: its %s was ended before", instance.uuid, work.action)
                if "making_image" in work.request:
                    self._host.images.discard(work.request["making_image"])
                return errors.Conflict(f"The {work.action} of {instance.uuid} was interrupted.")
            outcome = act(host, ctxt, instance, work)
        except Exception as error:
            self._failed(ctxt, work, started, error, quiet=cancelled.is_set())
            return error
        self._succeeded(ctxt, work, started, outcome)
        return None

    def _succeeded(
        self, ctxt: RequestContext, work: Work, started: dt.datetime, outcome: Outcome | None
    ) -> None:
        event = self._event(work, started, "Success", None)
        if outcome is None:
            self._conductor.add_event(ctxt, work.action_id, **event)
            return
        try:
            self._conductor.finish(ctxt, work, self._host.owner, event=event, **outcome)
        except errors.MinovaError as lost:
            # It is done; if that is not written, recovery has it done again.
            LOG.error("instance %s: cannot report: %s", work.instance_uuid, lost.message)

    def _failed(
        self,
        ctxt: RequestContext,
        work: Work,
        started: dt.datetime,
        error: Exception,
        *,
        quiet: bool,
    ) -> None:
        reason = getattr(error, "message", None) or "an unexpected error; see nova-compute's log"
        message = f"{work.action} of instance {work.instance_uuid} failed: {reason}"
        if quiet:
            LOG.info("%s; another action takes the server over", message)
        else:
            LOG.error("%s", message, exc_info=error)
        event = self._event(work, started, "Error", message)
        self._conductor.add_event(ctxt, work.action_id, **event)
        try:
            self._conductor.fail(
                ctxt,
                work,
                self._host.owner,
                code=500,
                message=message,
                details="".join(traceback.format_exception(error)),
                vm_state=error.vm_state if isinstance(error, Unchanged) else None,
            )
        except errors.MinovaError as lost:
            # The lease runs out, and recovery does the action again.
            LOG.error("instance %s: cannot report: %s", work.instance_uuid, lost.message)

    def _event(
        self, work: Work, started: dt.datetime, result: str, details: str | None
    ) -> dict[str, Any]:
        return {
            "event": _EVENTS.get(work.action)
            or f"compute_{_EVENT_NAMES.get(work.action, work.action)}_instance",
            "started": started,
            "result": result,
            "host": self._host.name,
            "details": details,
        }


def _unknown(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    raise errors.NotSupported(feature=f"The action {work.action}")


def _is_over(work: Work, instance: Instance) -> bool:
    """Whether a delete, or an administrator, has ended the action while it waited for its turn."""
    tasks = states.ACTIONS[work.action].tasks
    return bool(tasks) and instance.task_state not in tasks
