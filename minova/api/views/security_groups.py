"""Security groups in Nova's form: only what they let in, and other groups by name."""

from typing import Any

from minova.clients.session import RestClient

Group = dict[str, Any]
_RANGES = {"tcp": (1, 65535), "udp": (1, 65535)}


def project_of(group: Group) -> str:
    """The project of a group of the network service."""
    return str(group.get("project_id", group.get("tenant_id")))


def sources(client: RestClient, groups: list[Group]) -> dict[str, Group]:
    """The groups that the rules of `groups` name, by id: one request for all that is missing."""
    known = {group["id"]: group for group in groups}
    named = {rule.get("remote_group_id") for group in groups for rule in _ingress(group)}
    missing = sorted(group_id for group_id in named - set(known) if group_id)
    if missing:
        found = client.get("/security-groups", id=missing)["security_groups"]
        known |= {group["id"]: group for group in found}
    return known


def group(group: Group, names: dict[str, Group]) -> dict[str, Any]:
    """A group with its rules; `names` are the groups that they name (`sources`)."""
    return {
        "id": group["id"],
        "name": group["name"],
        "description": group.get("description") or "",
        "tenant_id": project_of(group),
        # A group that is gone meanwhile lets nobody in.
        "rules": [rule(each, names) for each in _ingress(group) if _is_known(each, names)],
    }


def rule(rule: Group, names: dict[str, Group]) -> dict[str, Any]:
    """A rule; from everywhere, or from the servers of a group."""
    source = rule.get("remote_group_id")
    protocol = rule.get("protocol")
    low, high = rule.get("port_range_min"), rule.get("port_range_max")
    if protocol and low is None and high is None:
        low, high = _RANGES.get(str(protocol).lower(), (-1, -1))
    shown: dict[str, Any] = {
        "id": rule["id"],
        "parent_group_id": rule["security_group_id"],
        "ip_protocol": protocol,
        "from_port": low,
        "to_port": high,
        "group": {},
        "ip_range": {},
    }
    if source:
        shown["group"] = {"name": names[source]["name"], "tenant_id": project_of(names[source])}
    else:
        shown["ip_range"] = {"cidr": rule.get("remote_ip_prefix") or "0.0.0.0/0"}
    return shown


def _ingress(group: Group) -> list[Group]:
    rules = group.get("security_group_rules", [])
    return [rule for rule in rules if rule.get("direction") == "ingress"]


def _is_known(rule: Group, names: dict[str, Group]) -> bool:
    return not rule.get("remote_group_id") or rule["remote_group_id"] in names
