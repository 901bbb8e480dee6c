"""What the host has to offer before a bridge can be trusted to filter.

With `bridge-nf-call-iptables` off the kernel passes bridged packets by all
rules, silently; so it is switched on, or the agent refuses to start.
"""

import logging
import os
import pwd
import shutil
import subprocess
from pathlib import Path

from minova.common import errors
from minova.companions.network.agent import sysctls
from minova.companions.network.agent.names import Names
from minova.companions.network.agent.nft import Nft
from minova.companions.network.agent.sysctls import Sysctls

LOG = logging.getLogger(__name__)
_SETTINGS = (
    ("net/bridge/bridge-nf-call-iptables", "1"),
    ("net/bridge/bridge-nf-call-ip6tables", "1"),
    ("net/ipv4/ip_forward", "1"),
)
_UNPRIVILEGED = "nobody"


def prepare(work_path: Path) -> None:
    """Make this host ready. Raises errors.Unavailable with what to mend."""
    if os.geteuid() != 0:
        raise errors.Unavailable("The network agent must run as root.")
    if shutil.which("dnsmasq") is None:
        raise errors.Unavailable("dnsmasq is missing; install the package dnsmasq-base.")
    if not sysctls.present("net/bridge/bridge-nf-call-iptables"):
        _load_module("br_netfilter")
    if not sysctls.present("net/bridge/bridge-nf-call-iptables"):
        raise errors.Unavailable(
            "This kernel cannot filter bridged packets: load the module br_netfilter "
            "(modprobe br_netfilter), or security groups would be without effect."
        )
    work_path.mkdir(parents=True, exist_ok=True)
    work_path.chmod(0o755)
    settings = former_settings(work_path)
    for name, value in _SETTINGS:
        settings.ensure(name, value)


def former_settings(work_path: Path) -> Sysctls:
    """The kernel settings we changed on this host."""
    return Sysctls(work_path / "sysctl.json")


def dnsmasq_user(work_path: Path) -> str:
    """Who dnsmasq runs as: nobody, if nobody may read our folder, else root."""
    try:
        pwd.getpwnam(_UNPRIVILEGED)
    except KeyError:
        return "root"
    closed = [p for p in (work_path, *work_path.resolve().parents) if not p.stat().st_mode & 0o001]
    if closed:
        LOG.warning("dnsmasq runs as root, because others may not enter %s", closed[-1])
    return "root" if closed else _UNPRIVILEGED


def warn_of_other_firewalls(names: Names) -> None:
    """Another table that drops by default (Docker's) hits the guests' packets, too."""
    for chain in Nft().base_chains():
        forwards = chain["table"] != names.table and chain["hook"] == "forward"
        if forwards and chain.get("policy") == "drop":
            LOG.warning(
                "the nftables chain %s %s %s drops forwarded packets by default; guests reach "
                "the outside, and each other, only if it lets their bridges pass",
                chain["family"],
                chain["table"],
                chain["name"],
            )


def _load_module(name: str) -> None:
    if shutil.which("modprobe"):
        result = subprocess.run(["modprobe", name], capture_output=True, text=True, timeout=30)
        if result.returncode != 0:
            LOG.warning("modprobe %s: %s", name, result.stderr.strip())
