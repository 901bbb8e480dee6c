"""IP and MAC arithmetic: what a subnet may look like, and which address is next.

Pure functions; who holds which address is the database's to know.
"""

import ipaddress
import itertools
import random
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from minova.companions.network import errors

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Pool = dict[str, str]
# The ranges nobody owns, in which anyone's network may be reached from the host.
PRIVATE_RANGES = tuple(
    ipaddress.IPv4Network(cidr)
    for cidr in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10")
)
# How many addresses are looked up at once before all of a subnet's are.
SAMPLE = 24


def parse_cidr(text: str, version: int) -> Network:
    """The network `text` names; InvalidInput unless it is a clean one of IP `version`."""
    try:
        interface = ipaddress.ip_interface(text)
    except ValueError:
        raise errors.InvalidInput(reason=f"'{text}' is not a valid IP subnet") from None
    network = interface.network
    if interface.version != version:
        raise errors.InvalidInput(
            reason=f"the cidr '{text}' does not match the ip_version '{version}'"
        )
    if "/" not in text or interface.ip != network.network_address:
        raise errors.InvalidInput(
            reason=f"'{text}' isn't a recognized IP subnet cidr, '{network}' is recommended"
        )
    if network.prefixlen == 0:
        raise errors.InvalidInput(reason="0 is not allowed as CIDR prefix length")
    if network.is_multicast or network.is_loopback or network.is_link_local:
        raise errors.InvalidInput(
            reason=f"'{text}' is a multicast, loopback or link-local range; choose another"
        )
    return network


def parse_ip(text: str, what: str = "IP address") -> Address:
    """An address, or InvalidInput that names `what`."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise errors.InvalidInput(reason=f"'{text}' is not a valid {what}") from None


def usable(network: Network) -> tuple[Address, Address]:
    """The first and the last address a host may hold in `network`."""
    first, last = network.network_address, network.broadcast_address
    if network.version == 4 and network.prefixlen < 31:
        return first + 1, last - 1
    if network.version == 6 and network.prefixlen < 127:
        return first + 1, last
    return first, last


def default_gateway(network: Network) -> str:
    """The gateway of a subnet whose owner named none: its first address."""
    return str(usable(network)[0])


def check_gateway(gateway: str, network: Network) -> str:
    """The gateway in normal form; InvalidInput when no host of `network` could hold it."""
    ip = parse_ip(gateway, "gateway")
    first, last = usable(network)
    if ip.version != network.version or not first <= ip <= last:  # type: ignore[operator]
        raise errors.InvalidInput(reason=f"Gateway {gateway} is not valid on subnet {network}")
    return str(ip)


def default_pools(network: Network, gateway: str | None) -> list[Pool]:
    """Everything usable but the gateway."""
    first, last = usable(network)
    if gateway is None:
        return [_pool(first, last)]
    middle = ipaddress.ip_address(gateway)
    pools = []
    if first < middle:  # type: ignore[operator]
        pools.append(_pool(first, middle - 1))
    if middle < last:  # type: ignore[operator]
        pools.append(_pool(middle + 1, last))
    return pools


def check_pools(pools: Sequence[Mapping[str, str]], network: Network) -> list[Pool]:
    """`pools` in normal form and order of address; errors when they leave `network` or overlap."""
    first, last = usable(network)
    spans = []
    for pool in pools:
        start, end = (parse_ip(pool[k], "allocation pool address") for k in ("start", "end"))
        text = f"{start}-{end}"
        if not start.version == end.version == network.version or start > end:  # type: ignore[operator]
            raise errors.InvalidAllocationPool(pool=text)
        if start < first or end > last:  # type: ignore[operator]
            raise errors.OutOfBoundsAllocationPool(pool=text, cidr=network)
        spans.append((start, end))
    spans.sort(key=lambda span: int(span[0]))
    for before, after in itertools.pairwise(spans):
        if int(after[0]) <= int(before[1]):
            raise errors.OverlappingAllocationPools(
                first=f"{before[0]}-{before[1]}", second=f"{after[0]}-{after[1]}", cidr=network
            )
    return [_pool(start, end) for start, end in spans]


def check_gateway_outside_pools(gateway: str | None, pools: Iterable[Pool]) -> None:
    """GatewayConflictWithAllocationPools when a guest could be given the gateway's address."""
    if gateway is None:
        return
    ip = int(ipaddress.ip_address(gateway))
    for pool in pools:
        start, end = _span(pool)
        if start <= ip <= end:
            raise errors.GatewayConflictWithAllocationPools(
                ip=gateway, pool=f"{pool['start']}-{pool['end']}"
            )


def pick(
    pools: Sequence[Pool],
    taken_of: Callable[[list[str]], set[str]],
    all_taken: Callable[[], set[str]],
) -> str | None:
    """A free address of `pools` at random, None when there is none.

    `taken_of` tells which of a few addresses are taken; only when all of them
    are, `all_taken` is asked. At random, so that an address just given back
    does not meet its old owner's traces (ARP caches, known_hosts).
    """
    spans = [_span(pool) for pool in pools]
    total = sum(end - start + 1 for start, end in spans)
    if total == 0:
        return None
    version = ipaddress.ip_address(pools[0]["start"]).version
    offsets = random.sample(range(total), min(SAMPLE, total)) if total < 1 << 62 else []
    offsets = offsets or [secrets.randbelow(total) for _ in range(SAMPLE)]
    sample = [_address(_nth(spans, offset), version) for offset in offsets]
    free = _first_not_in(sample, taken_of(sample))
    if free is not None or total <= SAMPLE:
        return free
    # One more is enough: it is looked for among all from a random place on.
    taken = all_taken()
    begin = secrets.randbelow(total)
    candidates = (_address(_nth(spans, (begin + i) % total), version) for i in range(total))
    return _first_not_in(candidates, taken)


def first_free(pools: Sequence[Pool], taken: set[str]) -> str | None:
    """The lowest free address of the first pool that has one."""
    for pool in pools:
        start, end = _span(pool)
        version = ipaddress.ip_address(pool["start"]).version
        found = _first_not_in((_address(n, version) for n in range(start, end + 1)), taken)
        if found is not None:
            return found
    return None


def slaac(network: Network, mac: str) -> str:
    """The address a guest with `mac` gives itself in `network` (RFC 4291, appendix A)."""
    octets = bytearray(int(part, 16) for part in mac.split(":"))
    octets[0] ^= 0x02
    interface_id = bytes(octets[:3]) + b"\xff\xfe" + bytes(octets[3:])
    return str(network.network_address + int.from_bytes(interface_id, "big"))


def random_mac(prefix: str) -> str:
    """A MAC that begins with `prefix` (one to five bytes as `fa:16:3e`)."""
    given = prefix.split(":")
    return ":".join([*given, *(f"{b:02x}" for b in secrets.token_bytes(6 - len(given)))])


def is_private(network: Network) -> bool:
    """Whether anyone may use `network` without standing in for a part of the Internet."""
    return any(
        isinstance(network, ipaddress.IPv4Network) and network.subnet_of(r) for r in PRIVATE_RANGES
    )


def overlapping(cidr: str, others: Iterable[str]) -> str | None:
    """The first of `others` that shares an address with `cidr`."""
    network = ipaddress.ip_network(cidr)
    for other in others:
        if network.overlaps(ipaddress.ip_network(other)):
            return other
    return None


def is_within(ip: str, cidr: str) -> bool:
    """Whether a host may hold `ip` in the subnet `cidr`."""
    address, network = ipaddress.ip_address(ip), ipaddress.ip_network(cidr)
    first, last = usable(network)
    return address.version == network.version and first <= address <= last  # type: ignore[operator]


def _pool(start: Any, end: Any) -> Pool:
    return {"start": str(start), "end": str(end)}


def _span(pool: Pool) -> tuple[int, int]:
    return int(ipaddress.ip_address(pool["start"])), int(ipaddress.ip_address(pool["end"]))


def _nth(spans: Sequence[tuple[int, int]], offset: int) -> int:
    for start, end in spans:
        size = end - start + 1
        if offset < size:
            return start + offset
        offset -= size
    raise IndexError(offset)


def _address(number: int, version: int) -> str:
    return str(ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number))


def _first_not_in(candidates: Iterable[str], taken: set[str]) -> str | None:
    return next((ip for ip in candidates if ip not in taken), None)


def parse_routes(routes: Sequence[Mapping[str, str]] | None) -> list[dict[str, str]]:
    """Routes of a body (`destination`, `nexthop`) in normal form.

    InvalidInput for what is no route, or is there twice.
    """
    found: list[dict[str, str]] = []
    for given in routes or ():
        route = _parse_route(given["destination"], given["nexthop"])
        if route in found:
            raise errors.InvalidInput(reason=f"Duplicate hostroute '{route}'")
        found.append(route)
    return found


def _parse_route(text: str, nexthop: str) -> dict[str, str]:
    try:
        destination = ipaddress.ip_network(text)
    except ValueError:
        raise errors.InvalidInput(reason=f"'{text}' is not a valid IP subnet for a route") from None
    gateway = parse_ip(nexthop, "nexthop")
    if destination.version != gateway.version:
        raise errors.InvalidInput(
            reason=f"the route to {destination} has a next hop of another ip_version, {gateway}"
        )
    return {"destination": str(destination), "nexthop": str(gateway)}
