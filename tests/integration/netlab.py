"""A small world for the network agent: a host, guests on its bridges, an outside.

Everything is a network namespace. The test's own thread enters the host's, so
that the agent's threads, its nftables and its dnsmasq live there and the true
host sees nothing of them. A guest is a namespace whose interface's other end
is called like the tap libvirt would make.
"""

import contextlib
import json
import os
import select
import socket
import struct
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyroute2 import IPRoute
from pyroute2 import netns as pyroute_netns

from minova.companions.network.agent import netns
from minova.companions.network.wire import FixedIP, NetworkWiring, PortWiring, SubnetWiring

ETH_IP, ETH_ARP, ETH_IP6 = 0x0800, 0x0806, 0x86DD
BROADCAST = "ff:ff:ff:ff:ff:ff"


@contextlib.contextmanager
def host(name: str) -> Iterator[None]:
    """The calling thread, and the threads it makes, are on a new host called `name`."""
    netns.create(name)
    pyroute_netns.pushns(name)
    try:
        with IPRoute() as ip:
            ip.link("set", index=1, state="up")
        yield
    finally:
        pyroute_netns.popns()
        netns.delete(name)


@contextlib.contextmanager
def outside(name: str) -> Iterator[str]:
    """Another machine at 198.51.100.1, next to the host's 198.51.100.2."""
    netns.create(name)
    try:
        with IPRoute() as ip:
            peer = {"ifname": "up0", "net_ns_fd": name}
            ip.link("add", ifname="uplink0", kind="veth", peer=peer)
            index = ip.link_lookup(ifname="uplink0")[0]
            ip.addr("add", index=index, address="198.51.100.2", prefixlen=24)
            ip.link("set", index=index, state="up")
            ip.route("add", dst="default", gateway="198.51.100.1")
        netns.inside(name, _address, "up0", "198.51.100.1", 24)
        yield name
    finally:
        delete_link("uplink0")
        netns.delete(name)


def network(cidr: str = "10.77.0.0/24", **changes: Any) -> NetworkWiring:
    """A network with its gateway at .1, held by the host, and DHCP at .2."""
    base, length = cidr.rsplit(".", 1)[0], cidr.split("/")[1]
    network_id = str(uuid.uuid4())
    subnet = SubnetWiring(
        id=str(uuid.uuid4()),
        cidr=f"{base}.0/{length}",
        gateway_ip=f"{base}.1",
        held_ips=[f"{base}.1"],
        dhcp_ip=f"{base}.2",
    )
    values: dict[str, Any] = {
        "id": network_id,
        "name": "private",
        "bridge": f"br-{network_id[:11]}",
        "mtu": 1450,
        "dns_domain": "novalocal",
        "subnets": [subnet],
    }
    return NetworkWiring(**(values | changes))


def port(of: NetworkWiring, last: int, **changes: Any) -> PortWiring:
    """A port whose address ends in `last`."""
    port_id = str(uuid.uuid4())
    values: dict[str, Any] = {
        "id": port_id,
        "network_id": of.id,
        "project_id": "a" * 32,
        "device_id": str(uuid.uuid4()),
        "mac_address": f"fa:16:3e:00:00:{last:02x}",
        "tap": f"tap{port_id[:11]}",
        "hostname": f"guest-{last}",
        "fixed_ips": [FixedIP(of.subnets[0].id, of.subnets[0].cidr.rsplit(".", 1)[0] + f".{last}")],
        "security_groups": [],
    }
    return PortWiring(**(values | changes))


@dataclass
class Guest:
    """A namespace on a bridge, behind its port's tap."""

    name: str
    wiring: PortWiring
    of: NetworkWiring
    bound: list[socket.socket] = field(default_factory=list)

    @property
    def ip(self) -> str:
        return self.wiring.fixed_ips[0].ip_address

    @property
    def mac(self) -> str:
        return self.wiring.mac_address

    def boot(self, configured: bool = True) -> "Guest":
        """Plug the tap in, as libvirt does; without DHCP when `configured`."""
        netns.create(self.name)
        with IPRoute() as ip:
            tap = self.wiring.tap
            ip.link("add", ifname=tap, kind="veth", peer={"ifname": "eth0", "net_ns_fd": self.name})
            index = ip.link_lookup(ifname=tap)[0]
            bridge = ip.link_lookup(ifname=self.of.bridge)[0]
            ip.link("set", index=index, master=bridge, state="up")
        self.do(self._plug, configured)
        # The bridge forwards for a tap only once it has heard of its carrier.
        wait_for("the tap's carrier", lambda: _operstate(tap) == "UP")
        return self

    def unplug(self) -> None:
        for sock in self.bound:
            sock.close()
        self.bound.clear()
        delete_link(self.wiring.tap)
        netns.delete(self.name)

    def do(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run `function` as a program of the guest."""
        return netns.inside(self.name, function, *args)

    def serve(self, number: int) -> None:
        """Accept TCP connections at a port; each gets `hi`."""
        self.bound.append(self.do(serve, number))

    def reaches(self, ip: str, number: int, source: str = "", seconds: float = 1) -> bool:
        """Whether a TCP connection from here comes about."""
        return bool(self.do(connects, ip, number, source, seconds))

    def pings(self, ip: str, seconds: float = 1) -> bool:
        return bool(self.do(ping, ip, seconds))

    def receives(self, frames: dict[str, bytes], sender: "Guest") -> set[str]:
        """Which of the frames that `sender` sends arrive here.

        After them comes one that is always let through (an ARP request of the
        sender's own), so that nobody has to wait for what does not come.
        """
        listening = self.do(packet_socket)
        marker = arp(1, sender.mac, sender.ip, "00:00:00:00:00:00", self.ip)
        try:
            sender.do(send_frames, [*frames.values(), marker])
            seen = set()
            for frame in frames_until(listening, marker):
                seen |= {name for name, sent in frames.items() if frame == sent}
            return seen
        finally:
            listening.close()

    def _plug(self, configured: bool) -> None:
        with IPRoute() as ip:
            index = ip.link_lookup(ifname="eth0")[0]
            ip.link("set", index=index, address=self.mac)
            ip.link("set", index=1, state="up")
        Path("/proc/sys/net/ipv6/conf/eth0/accept_dad").write_text("0")
        if configured:
            length = int(self.of.subnets[0].cidr.split("/")[1])
            _address("eth0", self.ip, length, self.of.subnets[0].gateway_ip)
        else:
            _up("eth0")


def _operstate(name: str) -> str:
    with IPRoute() as ip:
        return str(ip.link("get", ifname=name)[0].get("operstate"))


def _up(name: str) -> None:
    with IPRoute() as ip:
        ip.link("set", index=ip.link_lookup(ifname=name)[0], state="up")


def _address(name: str, address: str, length: int, gateway: str | None = None) -> None:
    with IPRoute() as ip:
        index = ip.link_lookup(ifname=name)[0]
        ip.link("set", index=1, state="up")
        ip.link("set", index=index, state="up")
        ip.addr("add", index=index, address=address, prefixlen=length)
        if gateway:
            ip.route("add", dst="default", gateway=gateway)


def add_address(name: str, address: str, length: int) -> None:
    with IPRoute() as ip:
        index = ip.link_lookup(ifname=name)[0]
        ip.addr("add", index=index, address=address, prefixlen=length)


def delete_link(name: str) -> None:
    with IPRoute() as ip:
        for index in ip.link_lookup(ifname=name):
            ip.link("del", index=index)


def serve(number: int, host: str = "0.0.0.0") -> socket.socket:
    listener = socket.create_server((host, number))

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.sendall(b"hi")

    threading.Thread(target=accept, daemon=True).start()
    return listener


def connects(ip: str, number: int, source: str = "", seconds: float = 1) -> bool:
    try:
        with socket.create_connection((ip, number), seconds, (source, 0)) as sock:
            return sock.recv(2) == b"hi"
    except OSError:
        return False


def ping(ip: str, seconds: float = 1) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        ident = os.getpid() & 0xFFFF
        sock.sendto(echo_request(ident), (ip, 0))
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if not select.select([sock], [], [], left)[0]:
                return False
            answer, (source, _) = sock.recvfrom(2048)
            if source == ip and answer[20] == 0 and answer[24:26] == struct.pack("!H", ident):
                return True
    return False


def echo_request(ident: int) -> bytes:
    body = struct.pack("!BBHHH", 8, 0, 0, ident, 1)
    return struct.pack("!BBHHH", 8, 0, checksum(body), ident, 1)


def packet_socket() -> socket.socket:
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    sock.bind(("eth0", 0))
    return sock


def send_frames(frames: list[bytes]) -> None:
    # All from one CPU: they stay in order.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with packet_socket() as sock:
        for frame in frames:
            sock.send(frame)


def frames_until(sock: socket.socket, marker: bytes, seconds: float = 5) -> Iterator[bytes]:
    deadline = time.monotonic() + seconds
    while select.select([sock], [], [], max(0, deadline - time.monotonic()))[0]:
        frame, address = sock.recvfrom(65535)
        if address[2] == socket.PACKET_OUTGOING:
            continue
        if frame == marker:
            return
        yield frame
    raise AssertionError("the marker frame did not arrive")


def mac_bytes(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def ethernet(source: str, target: str, kind: int, payload: bytes) -> bytes:
    return mac_bytes(target) + mac_bytes(source) + struct.pack("!H", kind) + payload


def arp(operation: int, mac: str, ip: str, target_mac: str, target_ip: str, **as_: str) -> bytes:
    """`frm`: the frame's own source MAC, when it differs from the sender's in the ARP."""
    body = struct.pack("!HHBBH", 1, ETH_IP, 6, 4, operation)
    body += mac_bytes(mac) + socket.inet_aton(ip) + mac_bytes(target_mac)
    body += socket.inet_aton(target_ip)
    to = BROADCAST if operation == 1 else target_mac
    return ethernet(as_.get("frm", mac), to, ETH_ARP, body)


def udp4(
    source: tuple[str, str, int], target: tuple[str, str, int], data: bytes = b"minova"
) -> bytes:
    """(MAC, IP, port) to (MAC, IP, port)."""
    udp = struct.pack("!HHHH", source[2], target[2], 8 + len(data), 0) + data
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0)
    head += socket.inet_aton(source[1]) + socket.inet_aton(target[1])
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    return ethernet(source[0], target[0], ETH_IP, head + udp)


def ip6(
    source: tuple[str, str], target: tuple[str, str], protocol: int, payload: bytes, hops: int = 255
) -> bytes:
    """(MAC, IP) to (MAC, IP)."""
    head = struct.pack("!IHBB", 6 << 28, len(payload), protocol, hops)
    addresses = socket.inet_pton(socket.AF_INET6, source[1])
    addresses += socket.inet_pton(socket.AF_INET6, target[1])
    return ethernet(source[0], target[0], ETH_IP6, head + addresses + payload)


def icmp6(
    source: tuple[str, str], target: tuple[str, str], kind: int, body: bytes, wrap: bool = False
) -> bytes:
    """An ICMPv6 message; `wrap` hides it behind a fragment header."""
    pseudo = socket.inet_pton(socket.AF_INET6, source[1])
    pseudo += socket.inet_pton(socket.AF_INET6, target[1])
    pseudo += struct.pack("!II", 4 + len(body), 58)
    message = struct.pack("!BBH", kind, 0, 0) + body
    message = message[:2] + struct.pack("!H", checksum(pseudo + message)) + message[4:]
    if wrap:
        return ip6(source, target, 44, struct.pack("!BBHI", 58, 0, 0, 7) + message)
    return ip6(source, target, 58, message)


def neighbor_advert(of: str, mac: str) -> bytes:
    """The body of an advertisement that `of` is at `mac`."""
    address = socket.inet_pton(socket.AF_INET6, of)
    return struct.pack("!I", 0x20000000) + address + b"\x02\x01" + mac_bytes(mac)


def checksum(data: bytes) -> int:
    padded = data + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def wait_for(what: str, condition: Callable[[], Any], seconds: float = 10) -> Any:
    """The first true value of `condition`; for events nobody announces."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        select.select([], [], [], 0.02)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def udhcpc(guest: Guest, folder: Path, seconds: float = 10) -> dict[str, str]:
    """What busybox's DHCP client learned, by the names of its script's variables."""
    script, out = folder / "udhcpc.sh", folder / f"{guest.name}.json"
    script.write_text(
        '#!/bin/sh\n[ "$1" = bound ] || exit 0\n'
        f"{os.sys.executable} -c 'import json,os,sys;"  # type: ignore[attr-defined]
        f'json.dump(dict(os.environ), open(sys.argv[1], "w"))\' {out}\n'
    )
    script.chmod(0o755)
    command = ["busybox", "udhcpc", "-i", "eth0", "-n", "-q", "-t", "3", "-T", "1", "-s", script]
    command += ["-O", "mtu", "-O", "staticroutes", "-O", "search", "-x", "hostname:anything"]
    done = guest.do(
        lambda: subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    )
    if done.returncode != 0:
        return {}
    return dict(json.loads(out.read_text()))
