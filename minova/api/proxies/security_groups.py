"""Security groups and their rules, as the network service has them, in Nova's old form."""

import ipaddress
from typing import Any

import falcon

from minova.api import paging
from minova.api.access import Access
from minova.api.microversions import window
from minova.api.schemas import proxies as schemas
from minova.api.validation import is_uuid
from minova.api.views import security_groups as views
from minova.clients.session import RestClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.common.wsgi import Route

_PORTS = {"TCP": (1, 65535), "UDP": (1, 65535), "ICMP": (-1, 255)}
Group = dict[str, Any]


class SecurityGroupProxies:
    """The handlers of /os-security-groups and /os-security-group-rules."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        groups, rules = "/v2.1/os-security-groups", "/v2.1/os-security-group-rules"
        return [
            Route("GET", groups, self.index),
            Route("POST", groups, self.create),
            Route("GET", groups + "/{group_id}", self.show),
            Route("PUT", groups + "/{group_id}", self.update),
            Route("DELETE", groups + "/{group_id}", self.delete, 202),
            Route("POST", rules, self.create_rule),
            Route("DELETE", rules + "/{rule_id}", self.delete_rule, 202),
        ]

    @window("2.1", "2.35")
    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-security-groups"""
        ctxt = self._access.check(req, "os-security-groups:get")
        own = {"project_id": ctxt.project_id}
        if "all_tenants" in req.params and self._access.privileged(req):
            own = {}
        client = _network(ctxt)
        found = client.get("/security-groups", **own)["security_groups"]
        found.sort(key=lambda group: (views.project_of(group), group["name"]))
        offset = paging.offset_of(req)
        page = found[offset : offset + paging.limit_of(req)]
        names = views.sources(client, page)
        return {"security_groups": [views.group(group, names) for group in page]}

    @window("2.1", "2.35")
    def create(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /os-security-groups"""
        ctxt = self._access.check(req, "os-security-groups:create")
        wanted = schemas.SECURITY_GROUP.of(req)["security_group"]
        try:
            made = _network(ctxt).post("/security-groups", _body(wanted))["security_group"]
        except errors.Conflict as error:
            raise errors.QuotaExceeded(error.message) from None
        return {"security_group": views.group(made, {})}

    @window("2.1", "2.35")
    def show(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> dict[str, Any]:
        """GET /os-security-groups/{group_id}"""
        client = _network(self._access.check(req, "os-security-groups:show"))
        return {"security_group": _shown(client, _get(client, group_id))}

    @window("2.1", "2.35")
    def update(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> dict[str, Any]:
        """PUT /os-security-groups/{group_id}"""
        client = _network(self._access.check(req, "os-security-groups:update"))
        wanted = schemas.SECURITY_GROUP.of(req)["security_group"]
        _get(client, group_id)
        try:
            changed = client.put(f"/security-groups/{group_id}", _body(wanted))
        except errors.Conflict as error:
            raise errors.Invalid(error.message) from None
        return {"security_group": _shown(client, changed["security_group"])}

    @window("2.1", "2.35")
    def delete(self, req: falcon.Request, resp: falcon.Response, group_id: str) -> None:
        """DELETE /os-security-groups/{group_id}"""
        client = _network(self._access.check(req, "os-security-groups:delete"))
        _get(client, group_id)
        try:
            client.remove(f"/security-groups/{group_id}")
        except errors.Conflict as error:
            raise errors.Invalid(error.message) from None

    @window("2.1", "2.35")
    def create_rule(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """POST /os-security-group-rules"""
        client = _network(self._access.check(req, "os-security-groups:rule:create"))
        wanted = schemas.SECURITY_GROUP_RULE.of(req)["security_group_rule"]
        parent = _get(client, wanted["parent_group_id"])
        source = _get(client, wanted["group_id"]) if wanted.get("group_id") else None
        rule = {**_rule(wanted, source), "security_group_id": parent["id"]}
        try:
            made = client.post("/security-group-rules", {"security_group_rule": rule})
        except errors.Conflict as error:
            if "already exists" in error.message:
                message = f"This rule already exists in group {parent['id']}"
                raise errors.Invalid(message) from None
            raise errors.QuotaExceeded(error.message) from None
        names = {source["id"]: source} if source else {}
        return {"security_group_rule": views.rule(made["security_group_rule"], names)}

    @window("2.1", "2.35")
    def delete_rule(self, req: falcon.Request, resp: falcon.Response, rule_id: str) -> None:
        """DELETE /os-security-group-rules/{rule_id}"""
        client = _network(self._access.check(req, "os-security-groups:rule:delete"))
        _check_id(rule_id)
        client.remove(f"/security-group-rules/{rule_id}")


def _network(ctxt: RequestContext) -> RestClient:
    return RestClient("network", "network", "/v2.0", caller=ctxt)


def _check_id(given: str) -> None:
    if not is_uuid(given):
        raise errors.Invalid("Security group id should be uuid")


def _get(client: RestClient, group_id: str) -> Group:
    _check_id(group_id)
    found: Group = client.get(f"/security-groups/{group_id}")["security_group"]
    return found


def _shown(client: RestClient, group: Group) -> dict[str, Any]:
    return views.group(group, views.sources(client, [group]))


def _body(wanted: dict[str, Any]) -> dict[str, Any]:
    return {"security_group": {key: wanted[key] for key in ("name", "description")}}


def _rule(wanted: dict[str, Any], source: Group | None) -> dict[str, Any]:
    """The network service's form of a rule; it only knew what comes in."""
    protocol = wanted.get("ip_protocol")
    protocol = None if protocol is None else str(protocol)
    low, high = wanted.get("from_port"), wanted.get("to_port")
    rule: dict[str, Any] = {"direction": "ingress", "ethertype": "IPv4"}
    if source is not None:
        rule["remote_group_id"] = source["id"]
        # A group alone lets all of its servers in.
        if low is None and high is None and protocol is not None:
            low, high = _PORTS.get(protocol.upper(), (None, None))
            high = -1 if protocol.upper() == "ICMP" else high
    else:
        cidr = str(wanted.get("cidr") or "0.0.0.0/0")
        rule |= {"remote_ip_prefix": cidr, "ethertype": f"IPv{_ip_version(cidr)}"}
    if protocol is None or low is None or high is None:
        if source is None:
            raise errors.Invalid("Not enough parameters to build a valid rule.")
        return rule
    low, high = _ports(protocol, low, high)
    rule["protocol"] = protocol.lower()
    if low != -1:
        rule["port_range_min"] = low
    if high != -1:
        rule["port_range_max"] = high
    return rule


def _ip_version(cidr: str) -> int:
    try:
        return ipaddress.ip_network(cidr, strict=False).version
    except ValueError:
        raise errors.Invalid(f"Invalid cidr {cidr[:64]}.") from None


def _ports(protocol: str, low: Any, high: Any) -> tuple[int, int]:
    name = protocol.upper()
    try:
        first, last = int(low), int(high)
    except (TypeError, ValueError):
        what = "Type and Code must be integers for ICMP protocol type"
        if name != "ICMP":
            what = "To and From ports must be integers"
        raise errors.Invalid(f"Invalid input received: {what}") from None
    if name not in _PORTS:
        raise errors.Invalid(f"Invalid IP protocol {protocol[:64]}.")
    least, most = _PORTS[name]
    wrong = None
    if name == "ICMP":
        if not (least <= first <= most and least <= last <= most):
            wrong = "For ICMP, the type:code must be valid"
    elif first > last:
        wrong = "Former value cannot be greater than the later"
    elif first < least or last > most:
        wrong = f"Valid {name} ports should be between 1-65535"
    if wrong is not None:
        raise errors.Invalid(f"Invalid port range {first}:{last}. {wrong}")
    return first, last
