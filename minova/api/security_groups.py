"""A server's security groups, and the rules they have."""

from typing import Any

import falcon

from minova.api import port_security_groups
from minova.api.access import Access
from minova.common.wsgi import Route


class SecurityGroups:
    """The handler of /servers/{server_id}/os-security-groups."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        return [Route("GET", "/v2.1/servers/{server_id}/os-security-groups", self.index)]

    def index(self, req: falcon.Request, resp: falcon.Response, server_id: str) -> dict[str, Any]:
        """GET /servers/{server_id}/os-security-groups"""
        instance = self._access.server(req, server_id, "os-security-groups:list")
        groups = port_security_groups.of_server(req.context.ctxt, instance)
        return {"security_groups": [_shown(group) for group in groups]}


def _shown(group: dict[str, Any]) -> dict[str, Any]:
    project = group.get("project_id", group.get("tenant_id"))
    # Nova's form knows ingress rules alone.
    rules = [r for r in group.get("security_group_rules", []) if r.get("direction") == "ingress"]
    return {
        "id": group["id"],
        "name": group["name"],
        "description": group.get("description") or "",
        "tenant_id": project,
        "rules": [_rule(group, rule, project) for rule in rules],
    }


def _rule(group: dict[str, Any], rule: dict[str, Any], project: Any) -> dict[str, Any]:
    source = rule.get("remote_group_id")
    prefix = rule.get("remote_ip_prefix") or "0.0.0.0/0"
    low, high = rule.get("port_range_min"), rule.get("port_range_max")
    return {
        "id": rule["id"],
        "parent_group_id": group["id"],
        "ip_protocol": rule.get("protocol"),
        "from_port": -1 if low is None and rule.get("protocol") else low,
        "to_port": -1 if high is None and rule.get("protocol") else high,
        "group": {"tenant_id": project, "name": source} if source else {},
        "ip_range": {} if source else {"cidr": prefix},
    }
