"""Make the kernel forget connections, by ctnetlink."""

import ipaddress
import logging
import socket
from collections.abc import Iterable
from typing import Any

from pyroute2 import NFCTSocket
from pyroute2.netlink.exceptions import NetlinkError
from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple

from minova.companions.network.agent.severed import Severed

LOG = logging.getLogger(__name__)
_ENOENT = 2


def forget(severed: Iterable[Severed], zones: dict[str, int]) -> None:
    """Forget these connections; `zones` are those of the networks. Failures are logged."""
    by_ip: dict[tuple[str, str], list[Severed]] = {}
    for one in severed:
        by_ip.setdefault((one.network_id, one.ip), []).append(one)
    for (network_id, ip), wanted in by_ip.items():
        zone = zones.get(network_id)
        if zone is None:
            continue
        try:
            _forget_of(ip, zone, wanted)
        except (NetlinkError, OSError) as error:
            LOG.error("connections of %s could not be ended: %s", ip, error)


def forget_floating(floating_ips: Iterable[str]) -> None:
    """Forget what came by these addresses, or went out with them. Failures are logged."""
    for ip in floating_ips:
        try:
            with NFCTSocket(nfgen_family=socket.AF_INET) as kernel:
                for side in ("tuple_orig", "tuple_reply"):
                    for entry in list(kernel.dump(**{side: NFCTAttrTuple(daddr=ip)})):
                        _delete(kernel, entry)
        except (NetlinkError, OSError) as error:
            LOG.error("connections of %s could not be ended: %s", ip, error)


def _forget_of(ip: str, zone: int, wanted: list[Severed]) -> None:
    family = socket.AF_INET6 if ipaddress.ip_address(ip).version == 6 else socket.AF_INET
    with NFCTSocket(nfgen_family=family) as kernel:
        for entry in _entries(kernel, family, ip):
            if _is_in(entry, zone) and any(w.covers(*_connection(entry)) for w in wanted):
                _delete(kernel, entry)


def _entries(kernel: Any, family: int, ip: str) -> list[Any]:
    """The connections from or to `ip`, or at least those."""
    if family == socket.AF_INET6:
        # The kernel's own filter lets pass what it should not, and only that, for IPv6.
        return list(kernel.dump())
    ends = [NFCTAttrTuple(saddr=ip), NFCTAttrTuple(daddr=ip)]
    return [entry for end in ends for entry in kernel.dump(tuple_orig=end)]


def _is_in(entry: Any, zone: int) -> bool:
    """Whether the network of `zone` made the entry.

    A connection through the host has its zone inside the original tuple, in an
    attribute pyroute2 does not know; its address is unique on this host, as
    ranges that overlap cannot be routed.
    """
    known = entry.get("CTA_ZONE")
    if known is not None:
        return bool(known == zone)
    return any(name == "UNKNOWN" for name, *_ in entry.get("CTA_TUPLE_ORIG")["attrs"])


def _connection(entry: Any) -> tuple[str, str, int | None, int | None]:
    """Source, target, protocol, port of the target."""
    original = entry.get("CTA_TUPLE_ORIG")
    addresses, protocol = original.get("CTA_TUPLE_IP"), original.get("CTA_TUPLE_PROTO")
    source = addresses.get("CTA_IP_V4_SRC") or addresses.get("CTA_IP_V6_SRC")
    target = addresses.get("CTA_IP_V4_DST") or addresses.get("CTA_IP_V6_DST")
    return (
        source,
        target,
        protocol.get("CTA_PROTO_NUM"),
        protocol.get("CTA_PROTO_DST_PORT"),
    )


def _delete(kernel: Any, entry: Any) -> None:
    # The answers' tuple of a connection through the host is in no zone, and so can be named.
    zone = entry.get("CTA_ZONE")
    side = "tuple_orig" if zone is not None else "tuple_reply"
    wanted = {side: _plain(entry.get(f"CTA_{side.upper()}"))}
    try:
        kernel.entry("del", **wanted, **({} if zone is None else {"zone": zone}))
    except NetlinkError as error:
        if error.code != _ENOENT:  # it ended by itself
            raise


def _plain(value: Any) -> Any:
    """A received attribute as one that can be sent."""
    if not hasattr(value, "get") or "attrs" not in value:
        return value
    return {"attrs": [[a[0], _plain(a[1])] for a in value["attrs"] if a[0] != "UNKNOWN"]}
