"""Give the host back: `python -m minova.companions.network.agent.cleanup`.

Removes every bridge, namespace, dnsmasq, nftables table and file of the
agent, and puts kernel settings back. The agent must not run. Ends with
status 1, naming what it could not remove.
"""

import argparse
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from oslo_config import cfg

from minova import conf
from minova.companions.network.agent import bridge, dnsmasq, host
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
        attempt(f"namespace of network {network_id}", bridge.remove_namespace, names, network_id)
    for network_id, known in bridges.items():
        attempt(f"bridge {known.name} of network {network_id}", bridge.remove_bridge, known.name)
    attempt(f"nftables tables {names.table}", lambda: Firewall(names).remove())
    failed += host.former_settings(work_path).restore()
    if not failed:
        attempt(f"folder {work_path}", shutil.rmtree, work_path, True)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Remove the network agent's things from a host.")
    parser.add_argument("--config-file", action="append", default=None)
    parser.add_argument("--work-path", type=Path, help="default: [network_agent] work_path")
    given = parser.parse_args()
    conf.register()
    cfg.CONF([], project="minova", default_config_files=given.config_file)
    left = cleanup_all(given.work_path or Path(cfg.CONF.network_agent.work_path))
    for line in left:
        print(f"could not remove {line}", file=sys.stderr)
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
