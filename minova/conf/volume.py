"""[volume]: the slim Cinder."""

from oslo_config import cfg

from minova.conf import database

OPTIONS = {
    "volume": [
        database.connection("volume"),
        cfg.HostAddressOpt("host", default="127.0.0.1", help="Address the service listens on."),
        cfg.PortOpt("port", default=8776, help="Port of the block storage API."),
        cfg.IntOpt("threads", default=10, min=1, help="Requests served at the same time."),
        cfg.StrOpt("volumes_path", default="$state_path/volumes", help="Folder of the volumes."),
        cfg.StrOpt(
            "export_path",
            default="/run/minova/volumes",
            help="Folder of the NBD sockets; QEMU's user has to reach it.",
        ),
        cfg.IntOpt("max_volume_size_gb", default=1024, min=1, help="Largest volume, GiB."),
        cfg.IntOpt("quota_volumes", default=10, min=-1, help="Volumes of a project; -1: no limit."),
        cfg.IntOpt(
            "quota_gigabytes",
            default=1000,
            min=-1,
            help="GiB of a project's volumes; -1: no limit.",
        ),
    ]
}
