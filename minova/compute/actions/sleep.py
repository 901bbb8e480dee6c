"""Pause and suspend, and back."""

from minova.common.context import RequestContext
from minova.compute.actions.host import Host, Outcome
from minova.model import states
from minova.model.instance import Instance
from minova.model.work import Work


def _pause(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    host.driver.pause(instance)
    return {"power_state": states.POWER_PAUSED}


def _unpause(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    host.driver.unpause(instance)
    return {"power_state": states.RUNNING}


def _suspend(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    host.driver.suspend(instance, host.cancelled(instance.uuid).is_set)
    return {"power_state": states.POWER_SUSPENDED}


def _resume(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    host.connect_volumes(instance)
    host.driver.resume(instance)
    return {"power_state": states.RUNNING}


ACTIONS = {"pause": _pause, "unpause": _unpause, "suspend": _suspend, "resume": _resume}
