"""Fixed IPs given to a server's ports and taken from them; clients do that themselves from 2.44."""

from minova.api import interface_attaching
from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import interfaces as schemas
from minova.clients.network import NetworkClient
from minova.common import errors
from minova.db import actions
from minova.model import states
from minova.model.instance import Instance

_UNTIL = (2, 43)


def _add(tools: Tools, call: Call) -> None:
    instance, network_id = call.instance, str(call.value["networkId"])
    _check(call, "addFixedIp")
    client = NetworkClient()
    ports = client.ports(device_id=instance.uuid, network_id=network_id)
    if not ports:
        raise errors.NotFound(
            f"Network {network_id[:64]} could not be found for instance {instance.uuid}."
        )
    port = ports[0]
    subnet = {"subnet_id": str(port["fixed_ips"][0]["subnet_id"])}
    try:
        client.set_fixed_ips(port["id"], [*port["fixed_ips"], subnet])
    except errors.Conflict as error:
        if error.kind != "IpAddressGenerationFailure":
            raise
        raise errors.Invalid(f"No fixed IP addresses available for network: {network_id}") from None
    _remember(tools, call, instance, "addFixedIp")


def _remove(tools: Tools, call: Call) -> None:
    instance, address = call.instance, call.value["address"]
    _check(call, "removeFixedIp")
    client = NetworkClient()
    for port in client.ports(device_id=instance.uuid):
        kept = [fixed for fixed in port["fixed_ips"] if fixed["ip_address"] != address]
        if len(kept) < len(port["fixed_ips"]):
            client.set_fixed_ips(port["id"], kept)
            _remember(tools, call, instance, "removeFixedIp")
            return
    raise errors.Invalid(f"Instance {instance.uuid} does not have fixed IP '{address}'.")


def _check(call: Call, action: str) -> None:
    """errors.Conflict for a locked server; any state will do."""
    locked = call.instance.locked and "admin" not in (call.ctxt.roles or [])
    refusal = states.refusal(
        states.Action(action, states.ANY, states.ANY, launched=False),
        uuid=call.instance.uuid,
        vm_state=call.instance.vm_state,
        task_state=call.instance.task_state,
        launched=True,
        hosted=True,
        locked=locked,
    )
    if refusal:
        raise errors.Conflict(refusal)


def _remember(tools: Tools, call: Call, instance: Instance, action: str) -> None:
    interface_attaching.refresh(tools.db, instance.uuid)
    actions.record(tools.db, call.ctxt, instance.uuid, action)


ACTIONS = {
    "addFixedIp": Action(_add, "os-multinic:add", schemas.ADD_FIXED_IP, until=_UNTIL),
    "removeFixedIp": Action(_remove, "os-multinic:remove", schemas.REMOVE_FIXED_IP, until=_UNTIL),
}
