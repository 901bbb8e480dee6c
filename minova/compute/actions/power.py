"""Start, stop and reboot."""

from minova.common.context import RequestContext
from minova.compute.actions.host import Host, Outcome
from minova.model import states
from minova.model.instance import Instance
from minova.model.work import Work


def _stop(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    host.driver.power_off(instance, cancelled=host.cancelled(instance.uuid).is_set)
    return {"power_state": states.SHUTDOWN}


def _start(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    host.connect_volumes(instance)
    host.driver.power_on(instance, instance.vifs)
    return {"power_state": states.RUNNING}


def _reboot(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    _started(host, ctxt, work)
    cancelled = host.cancelled(instance.uuid).is_set
    host.driver.reboot(instance, instance.vifs, hard=False, cancelled=cancelled)
    return {"power_state": states.RUNNING}


def _reboot_hard(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    host.connect_volumes(instance)
    _started(host, ctxt, work)
    host.driver.reboot(instance, instance.vifs, hard=True)
    return {"power_state": states.RUNNING}


def _started(host: Host, ctxt: RequestContext, work: Work) -> None:
    """From here on it is the guest that reboots, or does not."""
    tasks = states.ACTIONS[work.action].tasks
    host.conductor.advance(ctxt, work, host.owner, list(tasks), tasks[-1])


ACTIONS = {"stop": _stop, "start": _start, "reboot": _reboot, "reboot_hard": _reboot_hard}
