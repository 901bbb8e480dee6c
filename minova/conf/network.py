"""[network], [network_agent]: the slim Neutron and its agent on each host."""

from oslo_config import cfg

from minova.conf import database

OPTIONS = {
    "network": [
        database.connection("network"),
        cfg.HostAddressOpt("host", default="127.0.0.1", help="Address the service listens on."),
        cfg.PortOpt("port", default=9696, help="Port of the network API."),
        cfg.IntOpt("threads", default=10, min=1, help="Requests served at the same time."),
        cfg.StrOpt("mac_prefix", default="fa:16:3e", help="First three bytes of guests' MACs."),
        cfg.StrOpt("dns_domain", default="novalocal", help="Domain handed out by DHCP."),
        cfg.IntOpt("mtu", default=1500, min=1280, help="MTU of new networks."),
    ],
    "network_agent": [
        cfg.StrOpt(
            "driver",
            default="linuxbridge",
            choices=[
                ("linuxbridge", "real bridges, DHCP and nftables on this host"),
                ("noop", "accepts every port and touches nothing: for tests with fake guests"),
            ],
            help="What the agent does on its host.",
        ),
        cfg.StrOpt(
            "work_path", default="$state_path/network", help="Folder of leases, hosts files, logs."
        ),
        cfg.IntOpt("dhcp_lease_seconds", default=86400, min=120, help="Life of a DHCP lease."),
        cfg.ListOpt(
            "dns_forwarders",
            default=[],
            help="Name servers that guests' questions go to; empty: those of the host.",
        ),
        cfg.StrOpt(
            "metadata_url",
            default="http://127.0.0.1:8775",
            help="Where the metadata proxy finds nova's metadata API.",
        ),
    ],
}
