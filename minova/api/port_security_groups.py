"""Security groups of a server: those of its ports."""

from typing import Any

from minova.api.launch_networks import find_groups
from minova.clients.network import NetworkClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.db import instances
from minova.db.engine import Database
from minova.model.instance import Instance


def of_server(ctxt: RequestContext, instance: Instance) -> list[dict[str, Any]]:
    """The groups of the server's ports, as the network service shows them."""
    client = NetworkClient(ctxt)
    ids = _ids(client.ports(device_id=instance.uuid))
    return client.security_groups(id=ids) if ids else []


def add(db: Database, ctxt: RequestContext, instance: Instance, name: str) -> None:
    """Put every port of the server into the group; errors.NotFound. Idempotent."""
    client = NetworkClient(ctxt)
    group = _find(client, ctxt, name)
    ports = client.ports(device_id=instance.uuid)
    for port in ports:
        if group["id"] not in port["security_groups"]:
            client.set_security_groups(port["id"], [*port["security_groups"], group["id"]])
    _remember(db, client, instance, ports)


def remove(db: Database, ctxt: RequestContext, instance: Instance, name: str) -> None:
    """Take every port of the server out of the group; errors.NotFound when none is in it."""
    client = NetworkClient(ctxt)
    group = _find(client, ctxt, name)
    ports = client.ports(device_id=instance.uuid)
    members = [port for port in ports if group["id"] in port["security_groups"]]
    if not members:
        raise errors.NotFound(
            f"Security group {name} not associated with the instance {instance.uuid}"
        )
    for port in members:
        kept = [other for other in port["security_groups"] if other != group["id"]]
        client.set_security_groups(port["id"], kept)
    _remember(db, client, instance, ports)


def _find(client: NetworkClient, ctxt: RequestContext, name: str) -> dict[str, Any]:
    try:
        return find_groups(client, ctxt, [name])[0]
    except errors.Invalid as error:
        raise errors.NotFound(error.message) from None


def _remember(
    db: Database, client: NetworkClient, instance: Instance, ports: list[dict[str, Any]]
) -> None:
    """Keep what holds now, for the lists and for the ports of a later rebuild."""
    if not ports:
        return
    ids = _ids(client.ports(device_id=instance.uuid))
    names = {g["id"]: g["name"] for g in client.security_groups(id=ids)} if ids else {}
    instances.update(
        db,
        instance.uuid,
        security_groups=ids,
        security_group_names=[names.get(group_id, group_id) for group_id in ids],
    )


def _ids(ports: list[dict[str, Any]]) -> list[str]:
    return sorted({group_id for port in ports for group_id in port.get("security_groups", [])})
