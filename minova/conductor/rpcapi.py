"""nova-conductor's door: topic `conductor`.

1.0: launch, delete_unhosted; for computes: take_work, renew_leases,
     instance_to_build, instance_get, advance, finish, fail, reschedule, save_vifs, save_device,
     remove_device, add_event, report_host, host_instances, host_work,
     power_state_changed, pass_on, moving_from, forget_vif, audit_usage
"""

import datetime as dt
import functools
import logging
from dataclasses import replace
from typing import Any

import tenacity

from minova.common import errors, rpc
from minova.common.context import RequestContext
from minova.model.audit_period import Period
from minova.model.console import Grant
from minova.model.instance import VIF, BlockDevice, Instance
from minova.model.work import Work

LOG = logging.getLogger(__name__)
TOPIC = "conductor"
VERSION = "1.0"

# A broker that restarts loses the call in flight. Every method a compute
# calls may be repeated, so it asks again, for about as long as a broker or a
# conductor needs to come back; for what must not stay unsaid, longer.
_CALL_SECONDS = 8
_REPORT_SECONDS = 3
_PATIENCE = 30
_LONG_PATIENCE = 300


@functools.cache
def _asking(seconds: float) -> tenacity.Retrying:
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(errors.Unavailable),
        wait=tenacity.wait_random(0.1, 0.5),
        stop=tenacity.stop_after_delay(seconds),
        reraise=True,
    )


class ConductorAPI:
    """What the API and the computes ask of the conductor."""

    def __init__(self) -> None:
        self._client = rpc.Client(TOPIC, VERSION)

    def launch(self, ctxt: RequestContext, work_id: str) -> None:
        """Step 5: schedule and build what the work says. A cast; recovery repeats a lost one."""
        self._client.cast(ctxt, "launch", work_id=work_id)

    def delete_unhosted(self, ctxt: RequestContext, work_id: str) -> None:
        """Delete an instance that no host has. A cast."""
        self._client.cast(ctxt, "delete_unhosted", work_id=work_id)

    def take_work(self, ctxt: RequestContext, work_id: str, owner: str, host: str) -> Work | None:
        """Own the work of `host`, or None if it is another's by now (see db.work.take)."""
        work: Work | None = self._call(ctxt, "take_work", work_id=work_id, owner=owner, host=host)
        return work

    def renew_leases(self, ctxt: RequestContext, owner: str, ids: list[str]) -> None:
        """Keep the work that `owner` is doing."""
        self._call(ctxt, "renew_leases", owner=owner, ids=ids)

    def instance_to_build(self, ctxt: RequestContext, uuid: str) -> Instance:
        """Steps 9 and 10: the instance with all that a build needs; errors.NotFound."""
        instance: Instance = self._call(ctxt, "instance_to_build", uuid=uuid)
        return instance

    def instance_get(self, ctxt: RequestContext, uuid: str) -> Instance:
        """An instance as the DB has it; errors.NotFound."""
        instance: Instance = self._call(ctxt, "instance_get", uuid=uuid)
        return instance

    def advance(
        self,
        ctxt: RequestContext,
        work: Work,
        owner: str,
        expected: list[str | None],
        task_state: str | None,
        **values: Any,
    ) -> None:
        """Next task_state, and `values` of the instance with it.

        errors.Conflict if the instance or the work is no longer ours.
        """
        self._call(
            ctxt,
            "advance",
            work_id=work.id,
            uuid=work.instance_uuid,
            owner=owner,
            expected=expected,
            task_state=task_state,
            values=values,
        )

    def finish(self, ctxt: RequestContext, work: Work, owner: str, **outcome: Any) -> None:
        """The action succeeded (see db.states.finish); `event` records what this process did.

        Asks for minutes if need be. After errors.Unavailable, nobody knows
        whether it is written: what was done must stay as it is.
        """
        # Its request and its context may be long, and nobody needs them any more.
        ended = replace(work, request={}, context={})
        self._call(
            ctxt, "finish", patience=_LONG_PATIENCE, work=ended, owner=owner, outcome=outcome
        )

    def fail(self, ctxt: RequestContext, work: Work, owner: str, **outcome: Any) -> None:
        """The action failed (see db.states.fail)."""
        self._call(ctxt, "fail", work=work, owner=owner, outcome=outcome)

    def pass_on(
        self,
        ctxt: RequestContext,
        work: Work,
        owner: str,
        *,
        expected: list[str | None],
        task_state: str,
        host: str | None,
        node: str | None,
        request: dict[str, Any],
    ) -> None:
        """A move goes on at `host`, with the instance (see db.moves.pass_on); errors.Conflict."""
        self._call(
            ctxt,
            "pass_on",
            work=work,
            owner=owner,
            expected=expected,
            task_state=task_state,
            host=host,
            node=node,
            request=request,
        )

    def moving_from(self, ctxt: RequestContext, host: str) -> list[str]:
        """The instances that have gone from `host` and may still come back."""
        found: list[str] = self._call(ctxt, "moving_from", host=host)
        return found

    def reschedule(
        self, ctxt: RequestContext, work: Work, owner: str, *, message: str, details: str
    ) -> None:
        """The build failed here and left nothing: try another host, or fail for good."""
        self._call(ctxt, "reschedule", work=work, owner=owner, message=message, details=details)

    def save_vifs(self, ctxt: RequestContext, uuid: str, vifs: list[VIF]) -> None:
        self._call(ctxt, "save_vifs", uuid=uuid, vifs=vifs)

    def forget_vif(self, ctxt: RequestContext, uuid: str, port_id: str) -> None:
        """An interface is no longer the instance's. Idempotent."""
        self._call(ctxt, "forget_vif", uuid=uuid, port_id=port_id)

    def save_device(self, ctxt: RequestContext, device: BlockDevice) -> None:
        self._call(ctxt, "save_device", device=device)

    def remove_device(self, ctxt: RequestContext, device_id: str) -> None:
        self._call(ctxt, "remove_device", device_id=device_id)

    def add_event(
        self,
        ctxt: RequestContext,
        action_id: int | None,
        event: str,
        *,
        started: dt.datetime,
        result: str,
        host: str,
        details: str | None = None,
    ) -> None:
        """Record a finished event of an action, if it is one. A cast: nothing waits for it."""
        if action_id is None:
            return
        try:
            self._client.cast(
                ctxt,
                "add_event",
                action_id=action_id,
                event=event,
                started=started,
                result=result,
                host=host,
                details=details,
            )
        except errors.Unavailable as error:
            LOG.warning("event %s of action %s is lost: %s", event, action_id, error.message)

    def report_host(
        self, ctxt: RequestContext, host: str, incarnation: str, resources: dict[str, Any] | None
    ) -> None:
        """nova-compute on `host` lives; `resources` as of `virt.driver.HostResources`, if known.

        Asked once, and briefly: it is what a compute starts with, maybe before the
        conductor, and it comes again in any case.
        """
        self._client.call(
            ctxt,
            "report_host",
            timeout=_REPORT_SECONDS,
            host=host,
            incarnation=incarnation,
            resources=resources,
        )

    def host_instances(self, ctxt: RequestContext, host: str) -> list[Instance]:
        """Every instance the DB places on `host`."""
        found: list[Instance] = self._call(ctxt, "host_instances", host=host)
        return found

    def host_work(self, ctxt: RequestContext, host: str) -> list[Work]:
        """Everything in flight for `host`."""
        found: list[Work] = self._call(ctxt, "host_work", host=host)
        return found

    def power_state_changed(
        self, ctxt: RequestContext, uuid: str, host: str, power_state: int
    ) -> None:
        """The guest on `host` did something on its own (see db.states.power_state_seen)."""
        self._call(ctxt, "power_state_changed", uuid=uuid, host=host, power_state=power_state)

    def audit_usage(self, ctxt: RequestContext, host: str, period: Period) -> bool:
        """Whether the audit of what `host` had in the period is done; if not, it is under way."""
        begin, end = period
        return bool(self._call(ctxt, "audit_usage", host=host, begin=begin, end=end))

    def use_console_token(self, ctxt: RequestContext, token_hash: str, host: str) -> Grant | None:
        """Use up a console's token (see db.console_tokens.use). Asked once: it is used by then."""
        grant: Grant | None = self._client.call(
            ctxt, "use_console_token", timeout=_CALL_SECONDS, token_hash=token_hash, host=host
        )
        return grant

    def _call(
        self, ctxt: RequestContext, method: str, patience: float = _PATIENCE, **kwargs: Any
    ) -> Any:
        return _asking(patience)(self._client.call, ctxt, method, timeout=_CALL_SECONDS, **kwargs)
