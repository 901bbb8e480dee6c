"""Floating IPs given to a server and taken away, until 2.43."""

import ipaddress

from minova.api import floating
from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import proxies as schemas
from minova.common import errors
from minova.model.instance import Instance


def _add(tools: Tools, call: Call) -> None:
    client = floating.Client(call.ctxt)
    address = call.value["address"]
    fixed = _fixed(call.instance, address, call.value.get("fixed_address"))
    try:
        found = client.of_address(address)
    except errors.NotFound:
        raise errors.NotFound("floating IP not found") from None
    try:
        client.lead(found, call.instance, fixed)
    except (errors.Conflict, errors.NotFound) as error:
        raise errors.Invalid(
            f"Unable to associate floating IP {address} to fixed IP {fixed} for instance "
            f"{call.instance.uuid}. Error: {error.message}"
        ) from None
    for server_id in {call.instance.uuid, found.server_id or call.instance.uuid}:
        floating.refresh(tools.db, client, server_id)


def _fixed(instance: Instance, address: str, wanted: str | None) -> str:
    """Which of the server's addresses it shall lead to; errors.Invalid."""
    fixed = [each.address for vif in instance.vifs for each in vif.fixed_ips]
    if not instance.vifs:
        raise errors.Invalid("Instance network is not ready yet")
    if not fixed:
        raise errors.Invalid("No fixed IPs associated to instance")
    if wanted is not None:
        if wanted not in fixed:
            raise errors.Invalid("Specified fixed address not assigned to instance")
        return wanted
    for each in fixed:
        if ipaddress.ip_address(each).version == 4:
            return each
    raise errors.Invalid(
        f"Unable to associate floating IP {address} to any fixed IPs for instance "
        f"{instance.uuid}. Instance has no fixed IPv4 addresses to associate."
    )


def _remove(tools: Tools, call: Call) -> None:
    client = floating.Client(call.ctxt)
    address = call.value["address"]
    found = client.of_address(address)
    if found.server_id != call.instance.uuid:
        raise errors.Conflict(
            f"Floating IP {address} is not associated with instance {call.instance.uuid}."
        )
    client.let_go(found)
    floating.refresh(tools.db, client, call.instance.uuid)


ACTIONS = {
    "addFloatingIp": Action(_add, "os-floating-ips:add", schemas.ADD_FLOATING_IP, until=(2, 43)),
    "removeFloatingIp": Action(
        _remove, "os-floating-ips:remove", schemas.REMOVE_FLOATING_IP, until=(2, 43)
    ),
}
