"""DHCP and DNS of each network: a dnsmasq in its namespace, looked after.

A dnsmasq outlives the agent that started it; the next agent takes it over by
its pid file, if its command line is what it should be. One that dies is
started again. A new port is a line in the hosts file and a SIGHUP; the
address of a removed one is released, or dnsmasq would refuse it to its next
owner until the lease ends.
"""

import logging
import os
import secrets
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from minova.common import cpus, errors
from minova.companions.network.agent import dnsmasq, netns
from minova.companions.network.agent.dnsmasq import Lease, Settings
from minova.companions.network.agent.names import Names
from minova.companions.network.agent.waker import Waker
from minova.companions.network.wire import NetworkWiring, PortWiring

LOG = logging.getLogger(__name__)
_LOG_LIMIT = 1024 * 1024
_START_SECONDS = 10
_STOP_SECONDS = 3
# A dnsmasq that dies at once, again and again, is tried ever more slowly.
_RESPAWN_SECONDS = (0, 1, 5, 30)


@dataclass
class _Server:
    """One network's dnsmasq. `pidfd` is None while it does not run."""

    namespace: str
    interface: str
    folder: Path
    argv: list[str]
    dhcp_ips: list[str]
    hosts: str = ""
    pidfd: int | None = None
    started: float = 0
    deaths: int = field(default=0)


class DhcpServers:
    """All dnsmasqs of this host. Thread safe."""

    def __init__(self, names: Names, work_path: Path, settings: Settings) -> None:
        self._names, self._root, self._settings = names, work_path / "dhcp", settings
        self._lock = threading.RLock()
        self._servers: dict[str, _Server] = {}
        self._selector = selectors.DefaultSelector()
        self._waker = Waker()
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._thread: threading.Thread | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin to look after the dnsmasqs that `ensure` brings."""
        self._root.mkdir(parents=True, exist_ok=True)
        self._root.chmod(0o755)
        self._thread = threading.Thread(target=self._watch, name="dnsmasq-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave the dnsmasqs to themselves; they keep running."""
        self._stopping = True
        self._waker.wake()
        if self._thread is not None:
            self._thread.join(timeout=10)
            self._thread = None
        with self._lock:
            for server in self._servers.values():
                self._forget(server)

    def ensure(self, network: NetworkWiring, ports: Iterable[PortWiring]) -> None:
        """dnsmasq runs and knows exactly `ports`. Idempotent.

        Raises errors.Unavailable when dnsmasq does not start.
        """
        served = [s.dhcp_ip for s in network.subnets if s.dhcp_ip and s.ip_version == 4]
        if not served:
            self.remove(network.id)
            return
        folder = self._root / network.id
        interface = self._names.dhcp_inner(network.id)
        argv = dnsmasq.arguments(network, interface, folder, self._settings)
        text = dnsmasq.hosts(ports)
        with self._lock:
            server = self._servers.get(network.id)
            if server is None:
                folder.mkdir(parents=True, exist_ok=True)
                folder.chmod(0o755)
                namespace = self._names.namespace(network.id)
                server = _Server(
                    namespace, interface, folder, argv, served, _read(folder / "hosts")
                )
                self._adopt(server)
                self._servers[network.id] = server
            elif server.argv != argv:
                self._terminate(server)
                server.argv, server.dhcp_ips = argv, served
            self._write_hosts(server, text)
            if server.pidfd is None:
                self._spawn(server)

    def halt(self, network_id: str) -> None:
        """Stop the network's dnsmasq, keeping its leases; `ensure` starts it again."""
        with self._lock:
            server = self._servers.pop(network_id, None) or self._left_over(network_id)
            self._terminate(server)

    def remove(self, network_id: str) -> None:
        """Stop the network's dnsmasq and forget its leases. Idempotent."""
        with self._lock:
            self.halt(network_id)
            shutil.rmtree(self._root / network_id, ignore_errors=True)

    def known(self) -> set[str]:
        """The networks with a dnsmasq, also of an agent before us."""
        folders = {p.name for p in self._root.iterdir()} if self._root.exists() else set()
        return folders | set(self._servers)

    def _left_over(self, network_id: str) -> _Server:
        """What an agent before us may have started."""
        server = _Server(
            self._names.namespace(network_id), "", self._root / network_id, argv=[], dhcp_ips=[]
        )
        self._adopt(server, any_arguments=True)
        return server

    def _write_hosts(self, server: _Server, text: str) -> None:
        if text == server.hosts and (server.folder / "hosts").exists():
            return
        leases = dnsmasq.read_leases(server.folder / "leases")
        gone = dnsmasq.stale_leases(leases, text) if server.pidfd is not None else []
        dnsmasq.write(server.folder / "hosts", text)
        server.hosts = text
        if gone:
            netns.inside(server.namespace, _release, server.interface, gone, server.dhcp_ips)
        if server.pidfd is not None:
            self._signal(server, signal.SIGHUP)

    def _spawn(self, server: _Server) -> None:
        log = server.folder / "log"
        if log.exists() and log.stat().st_size > _LOG_LIMIT:
            log.unlink()
        (server.folder / "pid").unlink(missing_ok=True)
        dnsmasq.drop_stale_leases(server.folder / "leases", server.hosts)
        server.started = time.monotonic()
        try:
            result = netns.inside(server.namespace, _run, server.argv)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise errors.Unavailable(f"dnsmasq could not be started: {error}.") from error
        if result.returncode != 0:
            raise errors.Unavailable(
                f"dnsmasq does not start (status {result.returncode}): {result.stderr.strip()}"
            )
        self._adopt(server)

    def _adopt(self, server: _Server, any_arguments: bool = False) -> None:
        """Take over the process of the pid file, if it is ours and as it should be."""
        pid = _read(server.folder / "pid").strip()
        if not pid.isdecimal():
            return
        try:
            server.pidfd = os.pidfd_open(int(pid))
            argv = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
        except OSError:
            self._forget(server)
            return
        if f"--pid-file={server.folder / 'pid'}" not in argv:
            self._forget(server)  # the number is another process's by now
        elif argv[1:] != server.argv[1:] and not any_arguments:
            self._terminate(server)
        else:
            self._selector.register(server.pidfd, selectors.EVENT_READ, server)
            self._waker.wake()

    def _terminate(self, server: _Server) -> None:
        if server.pidfd is None:
            return
        # Its end is no news to the watch, which might take its number for the next one's.
        self._unwatch(server.pidfd)
        for number in (signal.SIGTERM, signal.SIGKILL):
            try:
                signal.pidfd_send_signal(server.pidfd, number)
            except ProcessLookupError:
                break
            with selectors.DefaultSelector() as ended:
                ended.register(server.pidfd, selectors.EVENT_READ)
                if ended.select(_STOP_SECONDS):
                    break
        self._forget(server)

    def _signal(self, server: _Server, number: signal.Signals) -> None:
        if server.pidfd is not None:
            try:
                signal.pidfd_send_signal(server.pidfd, number)
            except ProcessLookupError:
                LOG.info("dnsmasq of %s died just now; its watch starts it", server.namespace)

    def _watch(self) -> None:
        """Start those again that die. A pidfd becomes readable when its process ends."""
        while not self._stopping:
            for key, _ in self._selector.select(self._pause()):
                if key.fileobj is self._waker:
                    self._waker.clear()
                else:
                    self._bury(key.data, key.fd)
            self._revive()

    def _pause(self) -> float | None:
        with self._lock:
            due = [_due(s) for s in self._servers.values() if s.pidfd is None]
        return max(0.05, min(due) - time.monotonic()) if due else None

    def _bury(self, server: _Server, pidfd: int) -> None:
        with self._lock:
            if server.pidfd != pidfd:
                return
            self._forget(server)
            lived = time.monotonic() - server.started
            server.deaths = server.deaths + 1 if lived < _RESPAWN_SECONDS[-1] else 1
            LOG.warning("dnsmasq of %s died", server.namespace)

    def _revive(self) -> None:
        with self._lock:
            for server in self._servers.values():
                if server.pidfd is None and _due(server) <= time.monotonic():
                    try:
                        self._spawn(server)
                    except errors.MinovaError as error:
                        server.deaths += 1
                        LOG.error("%s: %s", server.namespace, error.message)

    def _forget(self, server: _Server) -> None:
        """Let go of its process, if there is one, which is no matter to the process."""
        if server.pidfd is not None:
            self._unwatch(server.pidfd)
            os.close(server.pidfd)
            server.pidfd = None

    def _unwatch(self, pidfd: int) -> None:
        with suppress(KeyError):
            self._selector.unregister(pidfd)


def _due(server: _Server) -> float:
    step = min(max(server.deaths - 1, 0), len(_RESPAWN_SECONDS) - 1)
    return server.started + _RESPAWN_SECONDS[step]


@cpus.everywhere()
def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs until dnsmasq has gone to the background, ready to answer."""
    return subprocess.run(
        argv, capture_output=True, text=True, timeout=_START_SECONDS, stdin=subprocess.DEVNULL
    )


def _release(interface: str, leases: list[Lease], server_ips: list[str]) -> None:
    """Tell dnsmasq that the guests give their addresses back: DHCPRELEASE, RFC 2131."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # Or it would seem to come in by `lo`, which dnsmasq does not serve.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        for lease in leases:
            for server_ip in server_ips:
                sock.sendto(_release_packet(lease, server_ip), (server_ip, 67))


def _release_packet(lease: Lease, server_ip: str) -> bytes:
    mac = bytes.fromhex(lease.mac.replace(":", ""))
    server = socket.inet_aton(server_ip)
    head = struct.pack("!BBBB4sHH", 1, 1, 6, 0, secrets.token_bytes(4), 0, 0)
    addresses = socket.inet_aton(lease.ip) + bytes(12)
    options = b"\x63\x82\x53\x63" + b"\x35\x01\x07" + b"\x36\x04" + server
    if lease.client_id:
        client = bytes.fromhex(lease.client_id.replace(":", ""))
        options += bytes([61, len(client)]) + client
    return head + addresses + mac.ljust(16, b"\0") + bytes(192) + options + b"\xff"


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""
