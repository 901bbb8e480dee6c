"""What an interface of a server that exists is made of: a new port, or one of the project's own.

The port is bound before the guest hears of it, so that its filter stands
before its tap. Each step's undo is pushed before it.
"""

from dataclasses import replace
from typing import Any

import falcon

from minova.api import launch_networks
from minova.clients.network import NetworkClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.db import vifs
from minova.db.engine import Database
from minova.model.instance import VIF, Instance

Refusal = type[errors.MinovaError]
# What Neutron's refusals are here: the error, and its words if they are not Neutron's.
_REFUSALS: dict[str, tuple[Refusal, str | None]] = {
    "IpAddressGenerationFailure": (
        errors.Invalid,
        "No fixed IP addresses available for network: {network}",
    ),
    "IpAddressInUse": (errors.Conflict, None),
    "IpAddressAlreadyAllocated": (errors.Conflict, None),
    "OverQuota": (errors.QuotaExceeded, "Maximum number of ports exceeded"),
}


def made(
    db: Database, req: falcon.Request, instance: Instance, wanted: dict[str, Any], undo: Undo
) -> VIF:
    """A bound port as the body asks for it; errors in Nova's words."""
    ctxt: RequestContext = req.context.ctxt
    port_id, network_id = wanted.get("port_id"), wanted.get("net_id")
    address = wanted["fixed_ips"][0]["ip_address"] if "fixed_ips" in wanted else None
    if network_id and port_id:
        raise errors.Invalid("Must not input both network_id and port_id")
    if address and not network_id:
        raise errors.Invalid("Must input network_id when request IP address")
    client = NetworkClient(ctxt)
    if port_id:
        port = _own_port(client, ctxt, instance, port_id)
        return _given(db, instance, port, wanted.get("tag"), undo)
    if network_id:
        _check_network(client, ctxt, network_id)
    else:
        network_id = _only_network(client, ctxt)
    return _new(db, instance, network_id, address, wanted.get("tag"), undo)


def _own_port(
    client: NetworkClient, ctxt: RequestContext, instance: Instance, port_id: str
) -> dict[str, Any]:
    try:
        port = client.port(port_id)
    except errors.NotFound:
        raise errors.NotFound(f"Port id {port_id} could not be found.") from None
    if port.get("project_id", port.get("tenant_id")) != instance.project_id:
        raise errors.Invalid(f"Port {port_id} not usable for instance {instance.uuid}.")
    if port.get("device_id"):
        raise errors.Conflict(f"Port {port_id} is still in use.")
    if not port.get("fixed_ips"):
        raise errors.Invalid(f"Port {port_id} requires a FixedIP in order to be used.")
    return port


def _given(
    db: Database, instance: Instance, port: dict[str, Any], tag: str | None, undo: Undo
) -> VIF:
    """Bind it. It is remembered first: whoever deletes the server has to know that it stays."""
    networks = NetworkClient()
    planned = networks.vif_of(port, created=False, tag=tag)
    undo.push(vifs.forget, db, instance.uuid, planned.port_id)
    vifs.remember(db, instance.uuid, planned)
    undo.push(networks.unbind_port, planned.port_id)
    bound = networks.bind_port(instance, planned.port_id, str(instance.host), tag)
    vifs.remember(db, instance.uuid, bound)
    return bound


def _new(
    db: Database,
    instance: Instance,
    network_id: str,
    address: str | None,
    tag: str | None,
    undo: Undo,
) -> VIF:
    networks = NetworkClient()
    try:
        vif = networks.create_port(
            instance, network_id, str(instance.host), fixed_ip=address, tag=tag
        )
    except errors.MinovaError as error:
        family, words = _REFUSALS.get(error.kind, (None, None))
        if family is None:
            raise
        said = words.format(network=network_id) if words else error.message
        raise family(said) from error
    undo.push(networks.delete_port, vif.port_id)
    undo.push(vifs.forget, db, instance.uuid, vif.port_id)
    vifs.remember(db, instance.uuid, vif)
    return vif


def _check_network(client: NetworkClient, ctxt: RequestContext, network_id: str) -> None:
    try:
        network = client.network(network_id)
    except errors.NotFound:
        network = None
    if network is None or not launch_networks.usable(network, ctxt):
        raise errors.NotFound(f"Network {network_id} could not be found.")
    if not network.get("subnets"):
        raise errors.Invalid(
            f"Network {network_id} requires a subnet in order to boot instances on."
        )
    if network.get("router:external") and not network.get("shared") and not _is_admin(ctxt):
        raise errors.Forbidden(
            f"It is not allowed to create an interface on external network {network_id}"
        )


def _only_network(client: NetworkClient, ctxt: RequestContext) -> str:
    try:
        found = launch_networks.only_one(client, ctxt, must=False)
    except errors.Conflict as error:
        raise errors.Invalid(error.message) from None
    if not found:
        raise errors.Invalid(
            "No specific network was requested and none are available for project "
            f"'{ctxt.project_id}'."
        )
    return str(found[0].network_id)


def _is_admin(ctxt: RequestContext) -> bool:
    return "admin" in (ctxt.roles or [])


def refresh(db: Database, instance_uuid: str) -> None:
    """Remember which addresses the server's ports have now. Idempotent."""
    networks = NetworkClient()
    ports = {port["id"]: port for port in networks.ports(device_id=instance_uuid)}

    def renewed(known: list[VIF]) -> list[VIF]:
        return [_renewed(networks, vif, ports.get(vif.port_id)) for vif in known]

    vifs.change(db, instance_uuid, renewed)


def _renewed(networks: NetworkClient, vif: VIF, port: dict[str, Any] | None) -> VIF:
    if port is None:
        return vif
    now = networks.vif_of(port, created=vif.created, tag=vif.tag)
    floating = {fixed.address: fixed.floating_ips for fixed in vif.fixed_ips}
    fixed_ips = [replace(f, floating_ips=floating.get(f.address, [])) for f in now.fixed_ips]
    return replace(now, fixed_ips=fixed_ips)
