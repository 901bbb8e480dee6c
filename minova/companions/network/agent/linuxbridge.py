"""The driver that does it: bridges, namespaces, DHCP, metadata and nftables on this host.

The order for a port: bridge and namespace of its network, then the rules
(so that there is no packet without them), then its line in DHCP. libvirt
makes the tap afterwards, and `TapWatch` sees it come.
"""

import ipaddress
import logging
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path

from pyroute2.netlink.exceptions import NetlinkError

from minova.common import errors
from minova.companions.network.agent import bridge, conntrack, dnsmasq, extra_routes, host
from minova.companions.network.agent import severed as severings
from minova.companions.network.agent.bridge import Bridge
from minova.companions.network.agent.dhcp import DhcpServers
from minova.companions.network.agent.driver import Report
from minova.companions.network.agent.firewall import FilteredNetwork, Firewall, Plan
from minova.companions.network.agent.metadata import Guest, MetadataProxy
from minova.companions.network.agent.names import Names
from minova.companions.network.agent.nft import NftError
from minova.companions.network.agent.state import Wiring
from minova.companions.network.agent.taps import TapWatch
from minova.companions.network.wire import GroupWiring, HostState, NetworkWiring, PortWiring

LOG = logging.getLogger(__name__)
# What the kernel and the tools raise when something does not work on this host.
_HOST_ERRORS = (OSError, NetlinkError, NftError, subprocess.SubprocessError)


@dataclass(frozen=True)
class Options:
    """What the agent is configured to do; `names` keeps two agents on one host apart."""

    work_path: Path
    lease_seconds: int = 86400
    dns_forwarders: tuple[str, ...] = ()
    metadata_url: str = "http://127.0.0.1:8775"
    metadata_secret: str = field(default="", repr=False)
    names: Names = field(default_factory=Names)


class LinuxBridgeDriver:
    """See `driver.Driver`."""

    def __init__(self, options: Options) -> None:
        self._options, self._names = options, options.names
        self._lock = threading.RLock()
        self._wiring = Wiring()
        self._bridges: dict[str, Bridge] = {}
        self._guests: dict[tuple[str, str], Guest] = {}
        self._report: Report = lambda port_id, up: None
        self._firewall: Firewall
        self._dhcp: DhcpServers
        self._metadata: MetadataProxy
        self._taps: TapWatch

    def start(self, report: Report) -> None:
        options = self._options
        host.prepare(options.work_path)
        self._firewall = Firewall(self._names)
        host.warn_of_other_firewalls(self._names)
        settings = dnsmasq.Settings(
            lease_seconds=options.lease_seconds,
            forwarders=options.dns_forwarders or dnsmasq.host_resolvers(),
            user=host.dnsmasq_user(options.work_path),
        )
        if not settings.forwarders:
            LOG.warning(
                "this host has no name server that guests could reach; set "
                "[network_agent] dns_forwarders, or guests resolve no names"
            )
        self._dhcp = DhcpServers(self._names, options.work_path, settings)
        self._metadata = MetadataProxy(
            options.metadata_url, options.metadata_secret, lambda n, ip: self._guests.get((n, ip))
        )
        self._taps = TapWatch(report)
        self._bridges = bridge.list_bridges(self._names)
        for part in (self._dhcp, self._metadata, self._taps):
            part.start()

    def stop(self) -> None:
        for part in (self._taps, self._metadata, self._dhcp):
            part.stop()

    def sync(self, state: HostState) -> None:
        with self._lock:
            wanted = Wiring.of(state)
            self._remove_networks(keep=set(wanted.networks))
            for network in list(wanted.networks.values()):
                try:
                    self._wire(network)
                except (errors.MinovaError, *_HOST_ERRORS) as error:
                    LOG.error("network %s is not on this host: %s", network.id, _text(error))
                    self._unwire(network.id)
                    _forget_network(wanted, network.id)
            self._filter(wanted)
            self._route(wanted)
            before, self._wiring = self._wiring, wanted
            self._forget_connections(before)
            self._index_guests()
            for network in wanted.networks.values():
                try:
                    self._serve(network)
                except (errors.MinovaError, *_HOST_ERRORS) as error:
                    LOG.error("DHCP or metadata of network %s: %s", network.id, _text(error))
            self._taps.watch_only({port.tap: port.id for port in wanted.ports.values()})

    def ensure_port(
        self, port: PortWiring, network: NetworkWiring, groups: list[GroupWiring]
    ) -> None:
        with self._lock:
            wanted = self._wiring.copy()
            wanted.put(port, network, groups)
            try:
                if not self._is_wired(network):
                    self._wire(network)
                    if wanted.routers:
                        self._route(wanted)
                refused = self._filter(wanted)
                if port.id in refused:
                    raise errors.Invalid(
                        f"Port {port.id} has addresses the firewall cannot take; correct its MAC, "
                        "fixed IPs or allowed address pairs."
                    )
                before, self._wiring = self._wiring, wanted
                self._forget_connections(before)
                self._index_guests()
                try:
                    self._serve(network)
                except BaseException:
                    self._wiring = before
                    self._index_guests()
                    raise
            except (errors.MinovaError, *_HOST_ERRORS) as error:
                self._give_up(network.id)
                if isinstance(error, errors.MinovaError):
                    raise
                LOG.exception("port %s could not be made ready", port.id)
                raise errors.Unavailable(
                    f"Host networking for port {port.id} failed; the network agent's log has more."
                ) from error
            self._taps.watch(port.id, port.tap)

    def remove_port(self, port_id: str) -> None:
        try:
            self._remove_port(port_id)
        except _HOST_ERRORS as error:
            LOG.exception("port %s could not be removed", port_id)
            raise errors.Unavailable(
                f"Removing port {port_id} from its host failed; the network agent's log has more."
            ) from error

    def _remove_port(self, port_id: str) -> None:
        with self._lock:
            port = self._wiring.ports.get(port_id)
            if port is None:
                return
            self._taps.forget(port.tap)
            wanted = self._wiring.copy()
            del wanted.ports[port_id]
            wanted.prune()
            self._filter(wanted)
            before, self._wiring = self._wiring, wanted
            self._forget_connections(before)
            self._index_guests()
            if port.network_id in wanted.networks:
                self._serve(wanted.networks[port.network_id])
            else:
                self._unwire(port.network_id)

    def check(self) -> None:
        """Our tables may have gone with a `nft flush ruleset`, bridges with an `ip link del`."""
        with self._lock:
            lost = set(self._wiring.networks) - set(bridge.list_bridges(self._names))
            if self._firewall.intact() and not lost:
                return
            LOG.warning("someone removed rules or bridges of ours; putting them back")
            self._firewall.forget()
            for network_id in lost:
                self._wire(self._wiring.networks[network_id])
            self._filter(self._wiring)
            self._route(self._wiring)
            for network_id in lost:
                self._serve(self._wiring.networks[network_id])

    def _is_wired(self, network: NetworkWiring) -> bool:
        """Whether nothing has to be done; a quick look, the thorough one is `sync`'s."""
        if self._wiring.networks.get(network.id) != network:
            return False
        served = bool(bridge.dhcp_addresses(network))
        links = [network.bridge, *([self._names.dhcp_port(network.id)] if served else [])]
        return all(bridge.is_there(name) for name in links)

    def _wire(self, network: NetworkWiring) -> None:
        """Bridge and namespace, as far as they are not there as they should."""
        known = self._bridges.get(network.id)
        zone = known.zone if known else _free_zone(self._bridges)
        self._bridges[network.id] = bridge.ensure_bridge(self._names, network, zone)
        if bridge.dhcp_addresses(network) and bridge.ensure_namespace(self._names, network, zone):
            self._metadata.remove(network.id)
            self._dhcp.halt(network.id)

    def _serve(self, network: NetworkWiring) -> None:
        """DHCP, DNS and metadata."""
        self._dhcp.ensure(network, self._wiring.ports_of(network.id))
        if bridge.dhcp_addresses(network):
            self._metadata.ensure(network.id, self._names.namespace(network.id))
        else:
            self._metadata.remove(network.id)
            bridge.remove_namespace(self._names, network.id)

    def _filter(self, wiring: Wiring) -> set[str]:
        networks = {
            network.id: _filtered(self._names, network, self._bridges[network.id])
            for network in wiring.networks.values()
        }
        plan = Plan(
            networks=networks,
            ports=wiring.ports,
            groups=wiring.groups,
            floating=frozenset(wiring.floating.items()),
            routed=frozenset(wiring.routed()),
            routers=wiring.routers,
            unmasked=wiring.unmasked,
        )
        return self._firewall.apply(plan)

    def _route(self, wiring: Wiring) -> None:
        """The routes of routers, once the bridges are there."""
        bridges = {network_id: known.name for network_id, known in self._bridges.items()}
        try:
            extra_routes.apply(self._names, wiring.routers.values(), bridges)
        except _HOST_ERRORS as error:
            LOG.error("routes of routers are not all on this host: %s", error)

    def _forget_connections(self, before: Wiring) -> None:
        led = set(before.floating.items()) - set(self._wiring.floating.items())
        conntrack.forget_floating({floating_ip for floating_ip, _ in led})
        severed = severings.between(before, self._wiring)
        if severed:
            zones = {network_id: known.zone for network_id, known in self._bridges.items()}
            conntrack.forget(severed, zones)

    def _give_up(self, network_id: str) -> None:
        """After a failed port: the rules as before, and no network that nobody uses."""
        try:
            self._filter(self._wiring)
            if network_id not in self._wiring.networks:
                self._unwire(network_id)
        except Exception:
            LOG.exception("undoing a port of network %s failed", network_id)

    def _unwire(self, network_id: str) -> None:
        """Namespace and bridge go, with all that lives in them. Idempotent."""
        self._metadata.remove(network_id)
        self._dhcp.remove(network_id)
        bridge.remove_namespace(self._names, network_id)
        known = self._bridges.pop(network_id, None)
        if known is not None:
            bridge.remove_bridge(known.name)

    def _remove_networks(self, keep: set[str]) -> None:
        present = set(self._bridges) | self._dhcp.known()
        for network_id in present - keep:
            try:
                self._unwire(network_id)
            except _HOST_ERRORS as error:
                LOG.error("network %s could not be removed: %s", network_id, error)

    def _index_guests(self) -> None:
        """Who asks for metadata from where; replaced at once, as requests read it meanwhile."""
        self._guests = {
            (port.network_id, fixed.ip_address): Guest(port.device_id, port.project_id)
            for port in self._wiring.ports.values()
            for fixed in port.fixed_ips
            if port.device_id
        }


def _filtered(names: Names, network: NetworkWiring, at: Bridge) -> FilteredNetwork:
    dhcp_ips = {ip for ip, _ in bridge.dhcp_addresses(network)} - {bridge.METADATA_IP}
    ranges = [ipaddress.IPv4Network(s.cidr) for s in network.subnets if network.nat and s.held_ips]
    return FilteredNetwork(
        id=network.id,
        bridge=at.name,
        mac=at.mac,
        zone=at.zone,
        dhcp_port=names.dhcp_port(network.id),
        dhcp_ips=tuple(sorted(dhcp_ips)),
        nat=tuple(ranges),
    )


def _free_zone(bridges: dict[str, Bridge]) -> int:
    taken = {known.zone for known in bridges.values()}
    return next(zone for zone in range(1, 65536) if zone not in taken)


def _forget_network(wiring: Wiring, network_id: str) -> None:
    wiring.networks.pop(network_id, None)
    wiring.declared = wiring.declared - {network_id}
    wiring.ports = {k: p for k, p in wiring.ports.items() if p.network_id != network_id}


def _text(error: BaseException) -> str:
    return getattr(error, "message", None) or f"{type(error).__name__}: {error}"
