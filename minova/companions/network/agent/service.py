"""The agent's services: its RPC door, the sync with the server, the heartbeat."""

from pathlib import Path

from oslo_config import cfg

from minova.common import rpc, service
from minova.companions.network.agent.driver import Driver
from minova.companions.network.agent.manager import NetworkAgentManager
from minova.companions.network.agent.noop import NoopDriver
from minova.companions.network.agent.rpcapi import TOPIC
from minova.companions.network.rpcapi import NetworkServerAPI

NAME = "network-agent"
_HEARTBEAT_SECONDS = 10
# A refresh may get lost with its broker: look at the whole state now and then.
_SYNC_SECONDS = 300


def services() -> list[service.Service]:
    """Unstarted services of this host's agent, configured by `[network_agent]`."""
    conf = cfg.CONF
    manager = NetworkAgentManager(conf.host, driver(conf), NetworkServerAPI())
    sync = _Sync(manager)
    manager.kick = sync.kick
    return [
        manager,
        sync,
        service.RpcService(lambda: rpc.serve(NAME, TOPIC, conf.host, [manager])),
        service.Periodic(NAME, "network-heartbeat", _HEARTBEAT_SECONDS, manager.heartbeat),
    ]


class _Sync(service.Periodic):
    """The sync in the background; stopping does not wait for a server that is silent."""

    def __init__(self, manager: NetworkAgentManager) -> None:
        super().__init__(NAME, "network-sync", _SYNC_SECONDS, manager.sync)
        self._manager = manager

    def stop(self) -> None:
        self._manager.interrupt()
        super().stop()


def driver(conf: cfg.ConfigOpts) -> Driver:
    """The driver `[network_agent] driver` names."""
    if conf.network_agent.driver == "noop":
        return NoopDriver()
    # Netlink and nftables cost 20 MB that a cloud of fake guests can do without.
    from minova.companions.network.agent.linuxbridge import LinuxBridgeDriver, Options

    return LinuxBridgeDriver(
        Options(
            work_path=Path(conf.network_agent.work_path),
            lease_seconds=conf.network_agent.dhcp_lease_seconds,
            dns_forwarders=tuple(conf.network_agent.dns_forwarders),
            metadata_url=conf.network_agent.metadata_url,
            metadata_secret=conf.api.metadata_secret or "",
        )
    )
