"""[api]: nova-api and the metadata service."""

from oslo_config import cfg

OPTIONS = {
    "api": [
        cfg.HostAddressOpt("host", default="127.0.0.1", help="Address nova-api listens on."),
        cfg.PortOpt("port", default=8774, help="Port of the compute API."),
        cfg.IntOpt("threads", default=10, min=1, help="Requests served at the same time."),
        cfg.PortOpt("metadata_port", default=8775, help="Port of the metadata API, for agents."),
        cfg.StrOpt(
            "metadata_secret",
            secret=True,
            help="Shared by nova-api and the network agents; signs the instance id of a "
            "metadata request. Without it the metadata API refuses every request.",
        ),
        cfg.IntOpt("max_limit", default=1000, min=1, help="Most records one list request returns."),
        cfg.IntOpt(
            "max_local_block_devices",
            default=3,
            min=-1,
            help="Most disks of a server that are files of its host: root, ephemeral and swap "
            "disks it asks for; -1: no limit.",
        ),
        cfg.StrOpt(
            "response_validation",
            default="ignore",
            choices=["ignore", "warn", "error"],
            help="Whether answers are checked against their schemas: not at all; a wrong one is "
            "logged; or it is replaced by a 500 that names the mistake (for tests). Checking a "
            "long list takes longer than making it.",
        ),
        cfg.StrOpt(
            "dhcp_domain",
            default="novalocal",
            help="Domain of the guests' host names in metadata and DHCP.",
        ),
        cfg.StrOpt(
            "default_availability_zone",
            default="nova",
            help="Availability zone of hosts that no aggregate puts elsewhere.",
        ),
    ]
}
