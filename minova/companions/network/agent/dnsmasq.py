"""What dnsmasq is told: its arguments, its hosts file, its lease file. Pure but for files.

Everything a guest can influence (host names) or a user can type (domains)
is checked here, as a line break would be another option (CVE-2021-40085).
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from minova.companions.network.wire import NetworkWiring, PortWiring, SubnetWiring

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_METADATA = "169.254.169.254/32"


@dataclass(frozen=True)
class Settings:
    """Of all networks: `user` runs dnsmasq, `forwarders` answer what it does not know."""

    lease_seconds: int = 86400
    forwarders: tuple[str, ...] = ()
    user: str = "root"
    program: str = "dnsmasq"


@dataclass(frozen=True)
class Lease:
    """A line of the lease file; `client_id` is hex octets or empty."""

    mac: str
    ip: str
    client_id: str


def arguments(
    network: NetworkWiring, interface: str, folder: Path, settings: Settings
) -> list[str]:
    """The command line of the network's dnsmasq, which goes to the background when ready."""
    served = [s for s in network.subnets if s.dhcp_ip and s.ip_version == 4]
    # No `set:` tags on hosts: dnsmasq 2.90 of Debian 12 dies of them at SIGHUP.
    return [
        settings.program,
        "--conf-file=/dev/null",
        "--no-hosts",
        "--no-resolv",
        "--no-ping",
        "--bind-dynamic",
        f"--interface={interface}",
        "--except-interface=lo",
        f"--pid-file={folder / 'pid'}",
        f"--dhcp-hostsfile={folder / 'hosts'}",
        f"--dhcp-leasefile={folder / 'leases'}",
        f"--log-facility={folder / 'log'}",
        f"--user={settings.user}",
        "--group=nogroup" if settings.user != "root" else "--group=root",
        "--dhcp-authoritative",
        "--dhcp-lease-max=65536",
        "--dhcp-ignore=tag:!known",
        f"--dhcp-option-force=option:mtu,{network.mtu}",
        *_domain(network.dns_domain),
        *(argument for subnet in served for argument in _subnet(subnet, settings)),
        *(f"--server={server}" for server in _forwarders(served, settings)),
    ]


def hosts(ports: Iterable[PortWiring]) -> str:
    """The hosts file: a line `mac,name,ip` for each IPv4 address of each port."""
    lines = []
    for port in ports:
        mac = port.mac_address.lower()
        if not _MAC.fullmatch(mac):
            continue
        for fixed in port.fixed_ips:
            ip = _ipv4(fixed.ip_address)
            if ip is not None:
                lines.append(f"{mac},{_host_name(port.hostname, ip)},{ip}\n")
    return "".join(sorted(lines))


def read_leases(path: Path) -> list[Lease]:
    """The IPv4 leases dnsmasq has written down; none when there is no file yet."""
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    leases = []
    for line in lines:
        words = line.split()
        if len(words) == 5 and _ipv4(words[2]):
            leases.append(Lease(words[1].lower(), words[2], "" if words[4] == "*" else words[4]))
    return leases


def stale_leases(leases: Iterable[Lease], hosts_text: str) -> list[Lease]:
    """Leases that no line of the hosts file backs (any more)."""
    backed = {(line.split(",")[0], line.split(",")[2]) for line in hosts_text.splitlines()}
    return [lease for lease in leases if (lease.mac, lease.ip) not in backed]


def drop_stale_leases(path: Path, hosts_text: str) -> None:
    """Rewrite the lease file without stale lines; only while dnsmasq is not running."""
    stale = {lease.ip for lease in stale_leases(read_leases(path), hosts_text)}
    if stale:
        kept = [x for x in path.read_text().splitlines(True) if not stale & set(x.split()[2:3])]
        write(path, "".join(kept))


def write(path: Path, text: str) -> None:
    """Replace a file so that a reader sees the old or the new one, never a part.

    Anybody may read it, whatever the agent's umask: dnsmasq is nobody when it reads it again.
    """
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    part.chmod(0o644)
    part.replace(path)


def host_resolvers(*files: Path) -> tuple[str, ...]:
    """The host's own name servers that a guest's question can reach (no loopback ones).

    systemd-resolved hides the true ones behind 127.0.0.53, so its file is the second.
    """
    for file in files or (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        found = []
        try:
            lines = file.read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) >= 2 and words[0] == "nameserver":
                ip = _ipv4(words[1])
                if ip and not ipaddress.ip_address(ip).is_loopback:
                    found.append(ip)
        if found:
            return tuple(found)
    return ()


def _subnet(subnet: SubnetWiring, settings: Settings) -> list[str]:
    network = ipaddress.ip_network(subnet.cidr)
    tag = f"s{subnet.id}"
    routes: list[tuple[str | None, str | None]] = [(_METADATA, subnet.dhcp_ip)]
    routes += [(_cidr(to), _ipv4(via)) for to, via in subnet.host_routes]
    if subnet.gateway_ip:
        routes.append(("0.0.0.0/0", _ipv4(subnet.gateway_ip)))
    listed = ",".join(f"{to},{via}" for to, via in routes if to and via)
    router = f",{subnet.gateway_ip}" if subnet.gateway_ip else ""
    return [
        f"--dhcp-range=set:{tag},{network.network_address},static,{network.netmask},"
        f"{settings.lease_seconds}s",
        f"--dhcp-option=tag:{tag},option:router{router}",
        f"--dhcp-option=tag:{tag},option:dns-server,{subnet.dhcp_ip}",
        f"--dhcp-option=tag:{tag},option:classless-static-route,{listed}",
    ]


def _forwarders(subnets: list[SubnetWiring], settings: Settings) -> list[str]:
    own = [_ipv4(server) for subnet in subnets for server in subnet.dns_nameservers]
    return list(dict.fromkeys(ip for ip in own if ip)) or list(settings.forwarders)


def _domain(domain: str) -> list[str]:
    name = domain.rstrip(".")
    if not name or not all(_LABEL.fullmatch(label) for label in name.split(".")):
        return []
    return [f"--domain={name}", f"--local=/{name}/"]


def _host_name(name: str, ip: str) -> str:
    return name if _LABEL.fullmatch(name) else "host-" + ip.replace(".", "-")


def _ipv4(text: str) -> str | None:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        return None


def _cidr(text: str) -> str | None:
    try:
        return str(ipaddress.IPv4Network(text, strict=False))
    except ValueError:
        return None
