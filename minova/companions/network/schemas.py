"""What request bodies may hold: JSON schemas, compiled once, with Neutron's words.

`items_of` unwraps `{"port": {…}}` or `{"ports": [{…}, …]}` and checks every
item. What depends on more than one attribute is checked where it is known.
"""

from typing import Any

import falcon
import jsonschema
from jsonschema.protocols import Validator

from minova.common import wsgi
from minova.companions.network import errors
from minova.companions.network.queries.quotas import DEFAULTS

Schema = dict[str, Any]
MAX_BULK = 200

# No control characters, no halves of surrogate pairs, no line separators: names end up in
# configuration files and terminals.
_TEXT = r"\A[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]*\Z"
_PARAGRAPH = r"\A[^\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]*\Z"
_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_DOMAIN = rf"\A({_LABEL}(\.{_LABEL})*\.?)?\Z"


def _text(limit: int = 255, pattern: str = _TEXT) -> Schema:
    return {"type": "string", "maxLength": limit, "pattern": pattern}


def _nullable(schema: Schema) -> Schema:
    return {**schema, "type": [schema["type"], "null"]}


def _list(items: Schema, limit: int) -> Schema:
    return {"type": ["array", "null"], "items": items, "maxItems": limit}


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": required or [],
        "additionalProperties": False,
    }


_ID = _text(64)
_IP = _text(64)
_BOOLEAN = {"type": "boolean"}
# Attributes Neutron has and we do not: a client may send their empty value.
_NULL = {"type": "null"}
_EMPTY = {"type": ["array", "null"], "maxItems": 0}
_MAC = {"type": ["string", "null"], "pattern": r"\A([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}\Z"}
_TAGS = {
    "type": ["array", "null"],
    "items": {**_text(255), "minLength": 1},
    "maxItems": 50,
}
_PORT_NUMBER = {
    "type": ["integer", "string", "null"],
    "minimum": -1000000,
    "maximum": 1000000,
    "maxLength": 7,
    "pattern": r"\A-?[0-9]*\Z",
}
_NAMED = {"name": _text(), "description": _nullable(_text(255, _PARAGRAPH))}
_OWNED = {"project_id": _nullable(_text(64)), "tenant_id": _nullable(_text(64)), "tags": _TAGS}

_NETWORK_CHANGES = {
    **_NAMED,
    "admin_state_up": _BOOLEAN,
    "shared": _BOOLEAN,
    "router:external": _BOOLEAN,
    "port_security_enabled": _BOOLEAN,
    "mtu": {"type": ["integer", "null"], "minimum": 0, "maximum": 65535},
    "dns_domain": _nullable(_text(255, _DOMAIN)),
    "is_default": {"enum": [False, None]},
    "qos_policy_id": _NULL,
}
_SUBNET_CHANGES = {
    **_NAMED,
    "gateway_ip": _nullable(_IP),
    "enable_dhcp": _BOOLEAN,
    "allocation_pools": _list(_object({"start": _IP, "end": _IP}, ["start", "end"]), 64),
    "dns_nameservers": _list(_IP, 5),
    "host_routes": _list(
        _object({"destination": _text(64), "nexthop": _IP}, ["destination", "nexthop"]), 20
    ),
    "service_types": _EMPTY,
    "segment_id": _NULL,
}
_PORT_CHANGES = {
    **_NAMED,
    "admin_state_up": _BOOLEAN,
    "mac_address": _MAC,
    "fixed_ips": _list(_object({"subnet_id": _nullable(_ID), "ip_address": _nullable(_IP)}), 16),
    "device_id": _nullable(_text()),
    "device_owner": _nullable(_text()),
    "security_groups": _list(_ID, 32),
    "port_security_enabled": _BOOLEAN,
    "allowed_address_pairs": _list(
        _object({"ip_address": _text(64), "mac_address": _MAC}, ["ip_address"]), 10
    ),
    "dns_name": _nullable(_text(255, _DOMAIN)),
    "extra_dhcp_opts": _EMPTY,
    "qos_policy_id": _NULL,
    "binding:host_id": _nullable(_text()),
    "binding:vnic_type": {"enum": ["normal", None]},
    "binding:profile": {"type": ["object", "null"], "maxProperties": 16},
}
_ROUTES = _list(
    _object({"destination": _text(64), "nexthop": _IP}, ["destination", "nexthop"]), 100
)
_ROUTER_CHANGES = {
    **_NAMED,
    "admin_state_up": _BOOLEAN,
    "external_gateway_info": {
        **_object(
            {
                "network_id": _ID,
                "enable_snat": _nullable(_BOOLEAN),
                "external_fixed_ips": _list(
                    _object({"subnet_id": _nullable(_ID), "ip_address": _nullable(_IP)}), 16
                ),
                "qos_policy_id": _NULL,
            }
        ),
        "type": ["object", "null"],
    },
    "routes": _ROUTES,
}
_FLOATING_CHANGES = {
    "port_id": _nullable(_ID),
    "fixed_ip_address": _nullable(_IP),
    "description": _nullable(_text(255, _PARAGRAPH)),
    "qos_policy_id": _NULL,
}
_GROUP_CHANGES = {**_NAMED, "stateful": {"enum": [True, None]}}

_SCHEMAS: dict[str, Schema] = {
    "create_network": _object(
        {
            **_NETWORK_CHANGES,
            **_OWNED,
            "provider:network_type": {"enum": ["flat", "local", None]},
            "provider:physical_network": _nullable(_text(64)),
            "provider:segmentation_id": _NULL,
            "availability_zone_hints": _list({"enum": ["nova"]}, 1),
        }
    ),
    "update_network": _object(_NETWORK_CHANGES),
    "create_subnet": _object(
        {
            **_SUBNET_CHANGES,
            **_OWNED,
            "network_id": _ID,
            "ip_version": {"enum": [4, 6]},
            "cidr": _text(64),
            "ipv6_ra_mode": {"enum": ["slaac", "dhcpv6-stateful", "dhcpv6-stateless", None]},
            "ipv6_address_mode": {"enum": ["slaac", "dhcpv6-stateful", "dhcpv6-stateless", None]},
            "subnetpool_id": _NULL,
            "prefixlen": _NULL,
            "use_default_subnetpool": {"enum": [False, None]},
        },
        ["network_id", "ip_version", "cidr"],
    ),
    "update_subnet": _object(_SUBNET_CHANGES),
    "create_port": _object({**_PORT_CHANGES, **_OWNED, "network_id": _ID}, ["network_id"]),
    "update_port": _object(_PORT_CHANGES),
    "create_security_group": _object({**_GROUP_CHANGES, **_OWNED}, ["name"]),
    "update_security_group": _object(_GROUP_CHANGES),
    "create_security_group_rule": _object(
        {
            "project_id": _nullable(_text(64)),
            "tenant_id": _nullable(_text(64)),
            "security_group_id": _ID,
            "direction": {"enum": ["ingress", "egress"]},
            "ethertype": _nullable(_text(64)),
            "protocol": {"type": ["string", "integer", "null"], "maxLength": 64},
            "port_range_min": _PORT_NUMBER,
            "port_range_max": _PORT_NUMBER,
            "remote_ip_prefix": _nullable(_text(64)),
            "remote_group_id": _nullable(_ID),
            "remote_address_group_id": _NULL,
            "description": _nullable(_text(255, _PARAGRAPH)),
        },
        ["security_group_id", "direction"],
    ),
    "create_router": _object(
        {
            **_ROUTER_CHANGES,
            **_OWNED,
            "routes": _EMPTY,
            "ha": {"enum": [False, None]},
            "distributed": {"enum": [False, None]},
            "availability_zone_hints": _list({"enum": ["nova"]}, 1),
        }
    ),
    "update_router": _object(_ROUTER_CHANGES),
    "routes_of_router": _object({"routes": _ROUTES}, ["routes"]),
    "router_interface": _object({"subnet_id": _ID, "port_id": _ID}),
    "create_floatingip": _object(
        {
            **_FLOATING_CHANGES,
            **_OWNED,
            "floating_network_id": _ID,
            "floating_ip_address": _nullable(_IP),
            "subnet_id": _nullable(_ID),
            "dns_name": _nullable({"type": "string", "maxLength": 0}),
            "dns_domain": _nullable({"type": "string", "maxLength": 0}),
        },
        ["floating_network_id"],
    ),
    "update_floatingip": _object(_FLOATING_CHANGES),
    "update_quota": _object(
        {
            **{name: {"type": "integer", "minimum": -1, "maximum": 2**31 - 1} for name in DEFAULTS},
            "project_id": _nullable(_text(64)),
            "tenant_id": _nullable(_text(64)),
            "check_limit": _BOOLEAN,
            "force": _BOOLEAN,
        }
    ),
    "tags": {
        "type": "object",
        "properties": {"tags": {**_TAGS, "type": "array"}},
        "required": ["tags"],
        "additionalProperties": False,
    },
    "tag": {**_text(255), "minLength": 1},
}
_VALIDATORS: dict[str, Validator] = {
    name: jsonschema.Draft202012Validator(schema) for name, schema in _SCHEMAS.items()
}


def items_of(req: falcon.Request, resource: str, plural: str) -> tuple[list[dict[str, Any]], bool]:
    """The resources a POST wants to create, checked, and whether it was a bulk request."""
    body = wsgi.body_of(req)
    if not isinstance(body, dict) or len(body) != 1 or not {resource, plural} & set(body):
        raise errors.HTTPBadRequest(f"Unable to find '{resource}' in request body")
    if resource in body:
        return [check(f"create_{resource}", body[resource])], False
    items = body[plural]
    if not isinstance(items, list) or not items:
        raise errors.HTTPBadRequest("Resources required")
    if len(items) > MAX_BULK:
        raise errors.HTTPBadRequest(f"At most {MAX_BULK} {plural} can be created at once")
    unwrapped = [i[resource] if isinstance(i, dict) and set(i) == {resource} else i for i in items]
    return [check(f"create_{resource}", item) for item in unwrapped], True


def changes_of(req: falcon.Request, resource: str, schema: str | None = None) -> dict[str, Any]:
    """The attributes a PUT wants to change, checked by `update_<resource>` or `schema`."""
    body = wsgi.body_of(req)
    if not isinstance(body, dict) or set(body) != {resource}:
        raise errors.HTTPBadRequest(f"Unable to find '{resource}' in request body")
    return check(schema or f"update_{resource}", body[resource])


def tags_of(req: falcon.Request) -> list[str]:
    """The tags of a `{"tags": […]}` body, checked."""
    tags: list[str] = check("tags", wsgi.body_of(req))["tags"]
    return tags


def check(schema: str, value: Any) -> Any:
    """`value` when it fits the schema of this name, or the error that names the attribute."""
    error = jsonschema.exceptions.best_match(_VALIDATORS[schema].iter_errors(value))
    if error is None:
        return value
    where = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties" and isinstance(error.instance, dict):
        known = error.schema["properties"]
        unknown = ", ".join(sorted(str(name)[:64] for name in error.instance if name not in known))
        raise errors.HTTPBadRequest(f"Unrecognized attribute(s) '{unknown[:512]}'")
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in error.instance)
        raise errors.HTTPBadRequest(
            f"Failed to parse request. Required attribute '{missing}' not specified"
        )
    raise errors.HTTPBadRequest(
        f"Invalid input for {where or 'the body'}. Reason: {_reason(error)}."
    )


def _reason(error: jsonschema.ValidationError) -> str:
    given = repr(error.instance)
    given = given if len(given) <= 128 else given[:125] + "..."
    # An ASCII rendering: half a surrogate pair cannot be sent.
    given = given.encode("ascii", "backslashreplace").decode()
    wanted = error.validator_value
    explanations = {
        "pattern": f"{given} has characters or a form that is not allowed",
        "maxLength": f"{given} exceeds maximum length of {wanted}",
        "minLength": "it must not be empty",
        "maxItems": f"the list exceeds {wanted} items",
        "maxProperties": f"it has more than {wanted} entries",
        "enum": f"{given} is not in {wanted}",
        "type": f"{given} is not of type {wanted}",
        "minimum": f"{given} is less than {wanted}",
        "maximum": f"{given} is more than {wanted}",
    }
    return explanations.get(str(error.validator), f"{given} is not allowed")
