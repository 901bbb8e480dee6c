"""changePassword and trigger_crash_dump: what is asked of the guest itself."""

from minova.common import errors
from minova.common.context import RequestContext
from minova.compute.actions.host import Host, Outcome
from minova.model.instance import Instance
from minova.model.work import Work


def setting(
    password: str, host: Host, ctxt: RequestContext, instance: Instance, work: Work
) -> Outcome:
    """What changePassword does, for one who has the password."""
    host.driver.set_password(instance, password, host.cancelled(instance.uuid).is_set)
    return {}


def _interrupted(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    raise errors.Unavailable("it was interrupted, and nobody has the password any more")


def _crash_dump(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    host.driver.trigger_crash_dump(instance)
    return {}


ACTIONS = {"changePassword": _interrupted, "trigger_crash_dump": _crash_dump}
