"""The networks, ports and security groups of a launch, checked with the caller's rights."""

from dataclasses import dataclass
from typing import Any

import falcon

from minova.api.validation import is_uuid
from minova.clients.network import NetworkClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.model.instance import RequestedNetwork


@dataclass(frozen=True)
class Wiring:
    """What the servers will be connected to; `group_ids` empty: the default group."""

    networks: list[RequestedNetwork]
    group_ids: list[str]
    group_names: list[str]


def checked(req: falcon.Request, wanted: dict[str, Any], most: int) -> Wiring:
    """The wiring the body asks for; errors.Invalid, Forbidden or Conflict in Nova's words."""
    ctxt: RequestContext = req.context.ctxt
    client = NetworkClient(ctxt)
    asked = wanted.get("networks")
    if asked == "none":
        networks = []
    elif asked == "auto" or not asked:
        networks = only_one(client, ctxt, must=asked == "auto")
    else:
        networks = [_requested(entry) for entry in asked]
        _check_multiple(networks, most)
        _check_ports(client, ctxt, networks)
        _check_networks(client, ctxt, networks)
    ids, names = _groups(client, ctxt, wanted.get("security_groups"))
    return Wiring(networks, ids, names)


def _requested(entry: dict[str, Any]) -> RequestedNetwork:
    port, network = entry.get("port"), entry.get("uuid")
    if port is None and network is None:
        raise errors.Invalid("Each entry of networks needs a uuid or a port.")
    if port is None and not is_uuid(str(network)):
        # Nova once let nova-network's ids carry a prefix.
        raise errors.Invalid(
            f"Bad networks format: network uuid is not in proper format ({str(network)[:64]})"
        )
    if port is not None and entry.get("fixed_ip"):
        raise errors.Invalid(
            f"Specified Fixed IP '{entry['fixed_ip']}' cannot be used with port '{port}': "
            "port already has a Fixed IP allocated."
        )
    return RequestedNetwork(
        network_id=None if port else network,
        port_id=port,
        fixed_ip=entry.get("fixed_ip"),
        tag=entry.get("tag"),
    )


def _check_multiple(networks: list[RequestedNetwork], most: int) -> None:
    tags = [n.tag for n in networks if n.tag]
    if len(tags) != len(set(tags)):
        raise errors.Invalid("Tags for VIFs must be unique.")
    ports = [n.port_id for n in networks if n.port_id]
    if len(ports) != len(set(ports)):
        raise errors.Invalid("A port may be listed only once.")
    if most == 1:
        return
    if ports:
        raise errors.Invalid(
            "Unable to launch multiple instances with a single configured port ID. "
            "Please launch your instance one by one with different ports."
        )
    if any(n.fixed_ip for n in networks):
        raise errors.Invalid("max_count cannot be greater than 1 if an fixed_ip is specified.")


def _check_ports(
    client: NetworkClient, ctxt: RequestContext, networks: list[RequestedNetwork]
) -> None:
    for wanted in networks:
        if wanted.port_id is None:
            continue
        try:
            port = client.port(wanted.port_id)
        except errors.NotFound:
            raise errors.Invalid(f"Port id {wanted.port_id} could not be found.") from None
        if port.get("project_id", port.get("tenant_id")) != ctxt.project_id:
            raise errors.Invalid(
                f"Port {wanted.port_id} not usable for a server of project {ctxt.project_id}."
            )
        if port.get("device_id"):
            raise errors.Conflict(f"Port {wanted.port_id} is still in use.")
        if not port.get("fixed_ips"):
            raise errors.Invalid(f"Port {wanted.port_id} requires a FixedIP in order to be used.")


def _check_networks(
    client: NetworkClient, ctxt: RequestContext, networks: list[RequestedNetwork]
) -> None:
    ids = [n.network_id for n in networks if n.network_id]
    if not ids:
        return
    known = {n["id"]: n for n in client.networks(id=sorted(set(ids))) if usable(n, ctxt)}
    missing = [network_id for network_id in ids if network_id not in known]
    if missing:
        raise errors.Invalid(f"Network {', '.join(missing)} could not be found.")
    for network in known.values():
        if not network.get("subnets"):
            raise errors.Invalid(
                f"Network {network['id']} requires a subnet in order to boot instances on."
            )
        external = network.get("router:external") and not network.get("shared")
        if external and "admin" not in (ctxt.roles or []):
            raise errors.Forbidden(
                f"It is not allowed to create an interface on external network {network['id']}"
            )
    for wanted in networks:
        if wanted.fixed_ip:
            _check_free(client, wanted)


def _check_free(client: NetworkClient, wanted: RequestedNetwork) -> None:
    ports = client.ports(
        network_id=wanted.network_id, fixed_ips=f"ip_address={wanted.fixed_ip}", fields="device_id"
    )
    if ports:
        raise errors.Invalid(
            f"Fixed IP address {wanted.fixed_ip} is already in use on instance "
            f"{ports[0].get('device_id') or 'of another port'}."
        )


def usable(network: dict[str, Any], ctxt: RequestContext) -> bool:
    """An admin's token shows every network; a launch may use the project's and shared ones."""
    owner = network.get("project_id", network.get("tenant_id"))
    return bool(owner == ctxt.project_id or network.get("shared") or network.get("router:external"))


def only_one(client: NetworkClient, ctxt: RequestContext, *, must: bool) -> list[RequestedNetwork]:
    """The only network there is for the project; none at all is fine unless `must`."""
    found = [
        network
        for network in client.networks(admin_state_up=True)
        if usable(network, ctxt)
        and network.get("subnets")
        and (network.get("shared") or not network.get("router:external"))
    ]
    if len(found) > 1:
        raise errors.Conflict(
            "Multiple possible networks found, use a Network ID to be more specific."
        )
    if found:
        return [RequestedNetwork(network_id=found[0]["id"])]
    if must:
        raise errors.Invalid(
            f"Unable to automatically allocate a network for project {ctxt.project_id}"
        )
    return []


def _groups(
    client: NetworkClient, ctxt: RequestContext, asked: list[dict[str, str]] | None
) -> tuple[list[str], list[str]]:
    """The groups' ids and names. Clients say either; the default group needs neither."""
    wanted = list(dict.fromkeys(entry["name"] for entry in asked or []))
    if wanted in ([], ["default"]):
        return [], ["default"]
    found = find_groups(client, ctxt, wanted)
    return [group["id"] for group in found], [group["name"] for group in found]


def find_groups(
    client: NetworkClient, ctxt: RequestContext, wanted: list[str]
) -> list[dict[str, Any]]:
    """The project's security groups of these names or ids; errors.Invalid for an unknown one."""
    every = client.security_groups(project_id=ctxt.project_id, fields=["id", "name"])
    found: dict[str, dict[str, Any]] = {}
    for name in wanted:
        matches = [g for g in every if g["id"] == name] or [g for g in every if g["name"] == name]
        if not matches:
            raise errors.Invalid(f"Security group {name} not found for project {ctxt.project_id}.")
        if len(matches) > 1:
            raise errors.Conflict(
                f"Multiple security_group matches found for name '{name}', use an ID to be "
                "more specific."
            )
        found[matches[0]["id"]] = matches[0]
    return list(found.values())
