"""Rows as Neutron shows them."""

import datetime as dt
from typing import Any

from minova.companions.network import rules, wiring
from minova.companions.network.queries.agents import alive

Row = dict[str, Any]
ZONE = "nova"


def _time(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _standard(row: Row) -> Row:
    return {
        "id": row["id"],
        "name": row["name"],
        "project_id": row["project_id"],
        "tenant_id": row["project_id"],
        "description": row["description"],
        "tags": row["tags"],
        "created_at": _time(row["created_at"]),
        "updated_at": _time(row["updated_at"]),
        "revision_number": row["revision_number"],
    }


def network(row: Row, subnet_ids: list[str], privileged: bool) -> Row:
    """A network; how it is realized only for the privileged."""
    body = {
        **_standard(row),
        "admin_state_up": row["admin_state_up"],
        "status": "ACTIVE" if row["admin_state_up"] else "DOWN",
        "shared": row["shared"],
        "router:external": row["external"],
        "mtu": row["mtu"],
        "port_security_enabled": row["port_security_enabled"],
        "dns_domain": row["dns_domain"],
        "subnets": subnet_ids,
        "ipv4_address_scope": None,
        "ipv6_address_scope": None,
        "availability_zone_hints": [],
        "availability_zones": [ZONE] if subnet_ids else [],
        "is_default": False,
    }
    if privileged:
        body["provider:network_type"] = row["network_type"]
        body["provider:physical_network"] = row["physical_network"]
        body["provider:segmentation_id"] = None
    return body


def subnet(row: Row) -> Row:
    """A subnet."""
    return {
        **_standard(row),
        "network_id": row["network_id"],
        "ip_version": row["ip_version"],
        "cidr": row["cidr"],
        "gateway_ip": row["gateway_ip"],
        "enable_dhcp": row["enable_dhcp"],
        "allocation_pools": row["allocation_pools"],
        "dns_nameservers": row["dns_nameservers"],
        "host_routes": row["host_routes"],
        "ipv6_ra_mode": row["ipv6_ra_mode"],
        "ipv6_address_mode": row["ipv6_address_mode"],
        "subnetpool_id": None,
        "segment_id": None,
        "service_types": [],
    }


def port(row: Row, dns_domain: str, privileged: bool) -> Row:
    """A port with its parts; where it is bound only for the privileged."""
    body = {
        **_standard(row),
        "network_id": row["network_id"],
        "mac_address": row["mac_address"],
        "admin_state_up": row["admin_state_up"],
        "status": row["status"],
        "device_id": row["device_id"],
        "device_owner": row["device_owner"],
        "fixed_ips": row["fixed_ips"],
        "security_groups": row["security_groups"],
        "port_security_enabled": row["port_security_enabled"],
        "allowed_address_pairs": wiring.address_pairs(row),
        "extra_dhcp_opts": [],
        "dns_name": row["dns_name"],
        "dns_assignment": [_dns_assignment(row, fixed, dns_domain) for fixed in row["fixed_ips"]],
        "binding:vnic_type": row["vnic_type"],
        "qos_policy_id": None,
    }
    if privileged:
        bound = row["vif_type"] == "bridge"
        body["binding:host_id"] = row["host"]
        body["binding:profile"] = row["profile"]
        body["binding:vif_type"] = row["vif_type"]
        body["binding:vif_details"] = _vif_details(row) if bound else {}
    return body


def router(row: Row, gateway: list[Row]) -> Row:
    """A router; `gateway` are the addresses of its way out."""
    way_out = None
    if row["external_network_id"]:
        way_out = {
            "network_id": row["external_network_id"],
            "enable_snat": row["enable_snat"] is not False,
            "external_fixed_ips": gateway,
        }
    return {
        **_standard(row),
        "admin_state_up": row["admin_state_up"],
        "status": "ACTIVE",
        "external_gateway_info": way_out,
        "routes": row["routes"] or [],
        "availability_zone_hints": [],
        "availability_zones": [ZONE],
        "flavor_id": None,
    }


def floating_ip(row: Row, port: Row | None) -> Row:
    """A floating IP; `port` is where it leads."""
    body = _standard(row)
    del body["name"]
    leads = {"port_id": None, "fixed_ip_address": None, "router_id": None}
    details = None
    if port is not None:
        leads = {name: row[name] for name in leads}
        named = (
            *("name", "network_id", "mac_address", "admin_state_up", "status"),
            *("device_id", "device_owner"),
        )
        details = {name: port[name] for name in named}
    return {
        **body,
        "floating_network_id": row["floating_network_id"],
        "floating_ip_address": row["floating_ip_address"],
        **leads,
        "status": "ACTIVE" if port is not None else "DOWN",
        "port_details": details,
        "port_forwardings": [],
        "qos_policy_id": None,
        "dns_name": "",
        "dns_domain": "",
    }


def security_group(row: Row, rules: list[Row]) -> Row:
    """A security group with its rules."""
    return {
        **_standard(row),
        "stateful": True,
        "shared": False,
        "security_group_rules": [security_group_rule(rule) for rule in rules],
    }


def security_group_rule(row: Row) -> Row:
    """A security group rule."""
    return {
        "id": row["id"],
        "project_id": row["project_id"],
        "tenant_id": row["project_id"],
        "security_group_id": row["security_group_id"],
        "direction": row["direction"],
        "ethertype": row["ethertype"],
        "protocol": row["protocol"],
        "port_range_min": row["port_range_min"],
        "port_range_max": row["port_range_max"],
        "remote_ip_prefix": row["remote_ip_prefix"],
        "normalized_cidr": rules.normalized_cidr(row["remote_ip_prefix"]),
        "remote_group_id": row["remote_group_id"],
        "remote_address_group_id": None,
        "description": row["description"],
        "created_at": _time(row["created_at"]),
        "updated_at": _time(row["updated_at"]),
        "revision_number": row["revision_number"],
    }


def agent(row: Row) -> Row:
    """A host's agent."""
    return {
        "id": row["id"],
        "agent_type": "Linux bridge agent",
        "binary": "minova-network-agent",
        "host": row["host"],
        "topic": "network-agent",
        "admin_state_up": True,
        "alive": alive(row),
        "availability_zone": ZONE,
        "created_at": row["created_at"].strftime("%Y-%m-%d %H:%M:%S"),
        "started_at": row["created_at"].strftime("%Y-%m-%d %H:%M:%S"),
        "heartbeat_timestamp": row["heartbeat_at"].strftime("%Y-%m-%d %H:%M:%S"),
        "description": None,
        "configurations": {},
        "resources_synced": None,
    }


def _dns_assignment(row: Row, fixed: Row, dns_domain: str) -> Row:
    ip = fixed["ip_address"]
    name = row["dns_name"] or "host-" + ip.replace(".", "-").replace(":", "-")
    return {"ip_address": ip, "hostname": name, "fqdn": f"{name}.{dns_domain}."}


def _vif_details(row: Row) -> Row:
    return {
        "bridge_name": wiring.bridge_name(row["network_id"]),
        "port_filter": True,
        "connectivity": "l2",
    }
