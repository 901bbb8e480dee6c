"""Give the host back: `python -m minova.companions.network.agent.cleanup`.

Removes every bridge, namespace, dnsmasq, nftables table and file of the
agent, and puts kernel settings back. The agent must not run. What could not
be removed is printed, a line each, and the status is 1.
"""

import argparse
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oslo_config import cfg

from minova import conf
from minova.companions.network.agent import bridge, dnsmasq, extra_routes, host, netns
from minova.companions.network.agent.dhcp import DhcpServers
from minova.companions.network.agent.firewall import Firewall
from minova.companions.network.agent.names import Names


def cleanup_all(work_path: Path, names: Names | None = None) -> list[str]:
    """Everything of ours goes; returns what could not be removed, and why. Idempotent."""
    names = names or Names()
    failed: list[str] = []

    def attempt(what: str, function: Callable[..., Any], *args: Any) -> Any:
        try:
            return function(*args)
        except Exception as error:
            failed.append(f"{what}: {error}")
            return None

    servers = DhcpServers(names, work_path, dnsmasq.Settings())
    bridges = attempt("bridges", bridge.list_bridges, names) or {}
    for network_id in sorted(set(bridges) | servers.known() | bridge.list_namespaces(names)):
        attempt(f"dnsmasq of network {network_id}", servers.remove, network_id)
        attempt(f"dnsmasq of network {network_id}", _end_dnsmasqs, names.namespace(network_id))
        attempt(f"namespace of network {network_id}", bridge.remove_namespace, names, network_id)
    for network_id, known in bridges.items():
        attempt(f"bridge {known.name} of network {network_id}", bridge.remove_bridge, known.name)
    attempt("routes of routers", extra_routes.apply, names, (), {})
    attempt(f"nftables tables {names.table}", lambda: Firewall(names).remove())
    failed += host.former_settings(work_path).restore()
    if not failed:
        attempt(f"folder {work_path}", shutil.rmtree, work_path, True)
    return failed


def _end_dnsmasqs(namespace: str) -> None:
    """Those whose pid file was lost with our folder."""
    for pid in netns.processes(namespace):
        if Path(f"/proc/{pid}/comm").read_text().strip() == "dnsmasq":
            os.kill(pid, signal.SIGKILL)


def main() -> int:
    parser = argparse.ArgumentParser(description="Remove the network agent's things from a host.")
    parser.add_argument("--config-file", action="append", help="default: those in $CONFIG_PATH")
    parser.add_argument("--work-path", type=Path, help="default: [network_agent] work_path")
    given = parser.parse_args()
    folder = Path(os.environ.get("CONFIG_PATH", "/etc/minova"))
    usual = [folder / "minova.conf", folder / "minova-network-agent.conf"]
    conf.register()
    cfg.CONF(
        [],
        project="minova",
        default_config_files=given.config_file or [str(path) for path in usual if path.exists()],
        default_config_dirs=[],
    )
    left = cleanup_all(given.work_path or Path(cfg.CONF.network_agent.work_path))
    for line in left:
        print(line)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
