"""What can go wrong in the network service, by Neutron's names.

A class's name is the `type` of the error body; nova and the clients decide
by it. The family (NotFound, Conflict, Invalid) gives the HTTP status.
"""

from minova.common import errors


class HTTPBadRequest(errors.Invalid):
    """The body is not what the resource takes."""


class BadRequest(errors.Invalid):
    """The request makes no sense for what there is."""

    template = "Bad {resource} request: {msg}."


class InvalidInput(errors.Invalid):
    template = "Invalid input for operation: {reason}."


class PolicyNotAuthorized(errors.Forbidden):
    template = "({rule}) is disallowed by policy"


class OverQuota(errors.Conflict):
    template = "Quota exceeded for resources: {resources}."


class NetworkNotFound(errors.NotFound):
    template = "Network {id} could not be found."


class NetworkInUse(errors.Conflict):
    template = (
        "Unable to complete operation on network {id}. There are one or more ports still in use "
        "on the network, id for these ports is: {ports}."
    )


class FlatNetworkInUse(errors.Conflict):
    template = (
        "Unable to create the flat network. Physical network {physical_network} is in use; "
        "choose another name."
    )


class InvalidSharedSetting(errors.Conflict):
    template = (
        "Unable to reconfigure sharing settings for network {id}. Other projects have ports on it."
    )


class SubnetNotFound(errors.NotFound):
    template = "Subnet {id} could not be found."


class SubnetInUse(errors.Conflict):
    template = (
        "Unable to complete operation on subnet {id}: One or more ports have an IP allocation "
        "from this subnet."
    )


class GatewayIpInUse(errors.Conflict):
    template = "Current gateway ip {ip} already in use by port {port_id}. Unable to update."


class GatewayConflictWithAllocationPools(errors.Conflict):
    template = "Gateway ip {ip} conflicts with allocation pool {pool}."


class InvalidAllocationPool(errors.Invalid):
    template = "The allocation pool {pool} is not valid: start must not lie after end."


class OutOfBoundsAllocationPool(errors.Invalid):
    template = "The allocation pool {pool} spans beyond the subnet cidr {cidr}."


class OverlappingAllocationPools(errors.Conflict):
    template = "Found overlapping allocation pools: {first} {second} for subnet {cidr}."


class PortNotFound(errors.NotFound):
    template = "Port {id} could not be found."


class ServicePortInUse(errors.Conflict):
    template = (
        "Port {id} cannot be changed or deleted directly via the port API: its device owner is "
        "{device_owner}."
    )


class DeviceIDNotOwnedByTenant(errors.Conflict):
    template = (
        "The following device_id {device_id} is not owned by your tenant or matches another "
        "tenants router."
    )


class MacAddressInUse(errors.Conflict):
    template = (
        "Unable to complete operation for network {network_id}. The mac address {mac} is in use."
    )


class IpAddressAlreadyAllocated(errors.Conflict):
    template = "IP address {ip} already allocated in subnet {subnet_id}"


class IpAddressGenerationFailure(errors.Conflict):
    template = "No more IP addresses available on network {network_id}."


class InvalidIpForNetwork(errors.Invalid):
    template = "IP address {ip} is not a valid IP for any of the subnets on the specified network."


class InvalidIpForSubnet(errors.Invalid):
    template = "IP address {ip} is not a valid IP for the specified subnet."


class PortSecurityAndIPRequiredForSecurityGroups(errors.Invalid):
    template = (
        "Port security must be enabled and the port must have an IP address in order to use "
        "security groups."
    )


class SecurityGroupNotFound(errors.NotFound):
    template = "Security group {id} does not exist."


class SecurityGroupInUse(errors.Conflict):
    template = "Security Group {id} in use."


class SecurityGroupDefaultAlreadyExists(errors.Conflict):
    template = "Default security group already exists."


class SecurityGroupCannotRemoveDefault(errors.Conflict):
    template = "Insufficient rights for removing default security group."


class SecurityGroupCannotUpdateDefault(errors.Conflict):
    template = "Updating default security group not allowed."


class SecurityGroupRuleNotFound(errors.NotFound):
    template = "Security group rule {id} does not exist."


class SecurityGroupRuleExists(errors.Conflict):
    template = "Security group rule already exists. Rule id is {id}."


class SecurityGroupRuleInvalidProtocol(errors.Invalid):
    template = (
        "Security group rule protocol {protocol} not supported. Use a protocol's name such as "
        "tcp, udp or icmp, or a number from 0 to 255."
    )


class SecurityGroupRuleInvalidEtherType(errors.Invalid):
    template = (
        "Security group rule for ethertype '{ethertype}' not supported. "
        "Allowed values are ['IPv4', 'IPv6']."
    )


class SecurityGroupEthertypeConflictWithProtocol(errors.Invalid):
    template = "Invalid ethertype {ethertype} for protocol {protocol}."


class SecurityGroupRuleParameterConflict(errors.Invalid):
    template = "Conflicting value ethertype {ethertype} for CIDR {cidr}."


class SecurityGroupRemoteGroupAndRemoteIpPrefix(errors.Invalid):
    template = "Only remote_ip_prefix or remote_group_id may be provided."


class SecurityGroupProtocolRequiredWithPorts(errors.Invalid):
    template = "Must also specify protocol if port range is given."


class SecurityGroupInvalidProtocolForPort(errors.Invalid):
    template = "Invalid protocol {protocol} for port range: only {allowed} have ports."


class SecurityGroupInvalidPortValue(errors.Invalid):
    template = "Invalid value for port {port}: a port lies between {lowest} and 65535."


class SecurityGroupInvalidPortRange(errors.Invalid):
    template = "For TCP/UDP protocols, port_range_min must be <= port_range_max"


class SecurityGroupInvalidIcmpValue(errors.Invalid):
    template = "Invalid value for ICMP {field} ({attr}) {value}. It must be 0 to 255."


class SecurityGroupMissingIcmpType(errors.Invalid):
    template = (
        "ICMP code (port-range-max) {value} is provided but ICMP type (port-range-min) is missing."
    )


class AgentNotFound(errors.NotFound):
    template = "Agent {id} could not be found."


class ExtensionNotFound(errors.NotFound):
    template = "Extension with alias {id} does not exist."


class RouterNotFound(errors.NotFound):
    template = "Router {id} could not be found."


class RouterInUse(errors.Conflict):
    template = "Router {id} still has ports."


class RouterChanged(errors.Conflict):
    template = "Router {id} was changed by another at the same moment; try again."


class RouterExternalGatewayInUseByFloatingIp(errors.Conflict):
    template = (
        "Gateway cannot be updated for router {id}, since a gateway to external network "
        "{network_id} is required by one or more floating IPs."
    )


class RouterInterfaceInUseByFloatingIP(errors.Conflict):
    template = (
        "Router interface for subnet {subnet_id} on router {id} cannot be deleted, as it is "
        "required by one or more floating IPs."
    )


class RouterInterfaceInUseByRoute(errors.Conflict):
    template = (
        "Router interface for subnet {subnet_id} on router {id} cannot be deleted, as it is "
        "required by one or more routes."
    )


class InvalidRoutes(errors.Invalid):
    template = "Invalid format for routes: {routes}, {reason}"


class RoutesExhausted(errors.Invalid):
    template = (
        "Unable to complete operation for {id}. The number of routes exceeds the maximum {most}."
    )


class RouterInterfaceNotFound(errors.NotFound):
    template = "Router {id} does not have an interface with id {port_id}"


class RouterInterfaceNotFoundForSubnet(errors.NotFound):
    template = "Router {id} has no interface on subnet {subnet_id}"


class SubnetMismatchForPort(errors.Invalid):
    template = "Subnet on port {port_id} does not match the requested subnet {subnet_id}."


class PortInUse(errors.Conflict):
    template = (
        "Unable to complete operation on port {id} for network {network_id}. Port already has an "
        "attached device {device_id}."
    )


class ExternalGatewayForFloatingIPNotFound(errors.NotFound):
    template = (
        "External network {network_id} is not reachable from subnet {subnet_id}. Therefore, "
        "cannot associate Port {port_id} with a Floating IP."
    )


class FloatingIPPortAlreadyAssociated(errors.Conflict):
    template = (
        "Cannot associate floating IP {floating_ip} with port {port_id} using fixed IP "
        "{fixed_ip}, as that fixed IP already has a floating IP."
    )


class FloatingIPNotFound(errors.NotFound):
    template = "Floating IP {id} could not be found."


class SubnetPoolNotFound(errors.NotFound):
    template = "Subnet pool {id} could not be found."


class TagNotFound(errors.NotFound):
    template = "Tag {id} could not be found."
