"""Interfaces plugged into a server and out of it."""

from minova.common import errors
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.compute.actions.host import Host, Outcome
from minova.model.instance import VIF, Instance
from minova.model.work import Work


def _attach(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    vif = _vif_of(instance, work)
    if vif is None:
        raise errors.NotFound(f"The interface of instance {instance.uuid} is gone.")
    with Undo() as undo:
        undo.push(_let_go, host, ctxt, instance, vif)
        undo.push(host.driver.detach_interface, instance, vif)
        # Again for a guest that waited for its host: the port's filter is there before its tap.
        host.networks.bind_port(instance, vif.port_id, host.name, vif.tag)
        host.driver.attach_interface(instance, vif)
        undo.clear()
    return {}


def _detach(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome:
    vif = _vif_of(instance, work)
    if vif is not None:
        host.driver.detach_interface(instance, vif, host.cancelled(instance.uuid).is_set)
        _let_go(host, ctxt, instance, vif)
    else:
        # A port that was bound and never plugged in: whose it is nobody knows any more.
        host.networks.unbind_port(str(work.request["port_id"]))
    return {}


def _let_go(host: Host, ctxt: RequestContext, instance: Instance, vif: VIF) -> None:
    """Give the port back, or delete it if it was made for the server. Idempotent."""
    if vif.created:
        host.networks.delete_port(vif.port_id)
    else:
        host.networks.unbind_port(vif.port_id)
    host.conductor.forget_vif(ctxt, instance.uuid, vif.port_id)


def _vif_of(instance: Instance, work: Work) -> VIF | None:
    wanted = work.request.get("port_id")
    return next((vif for vif in instance.vifs if vif.port_id == wanted), None)


ACTIONS = {"attach_interface": _attach, "detach_interface": _detach}
