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
        cfg.StrOpt(
            "export_group",
            default="kvm",
            help="Group of the sockets' folder: QEMU's user has to be in it. Empty leaves the "
            "service's own group.",
        ),
        cfg.StrOpt(
            "volume_format",
            default="raw",
            choices=["raw", "qcow2"],
            help="Format of new volumes' files. Both are sparse; existing volumes keep theirs.",
        ),
        cfg.StrOpt(
            "availability_zone", default="nova", help="Availability zone all volumes are in."
        ),
        cfg.IntOpt(
            "workers", default=2, min=1, help="Volumes created, copied or deleted at the same time."
        ),
        cfg.IntOpt(
            "export_check_interval",
            default=5,
            min=1,
            help="Seconds between two looks whether every attached volume is still exported.",
        ),
        cfg.IntOpt("max_limit", default=1000, min=1, help="Most records one list request returns."),
        cfg.IntOpt("max_volume_size_gb", default=1024, min=1, help="Largest volume, GiB."),
        cfg.IntOpt("quota_volumes", default=10, min=-1, help="Volumes of a project; -1: no limit."),
        cfg.IntOpt(
            "quota_snapshots", default=10, min=-1, help="Snapshots of a project; -1: no limit."
        ),
        cfg.IntOpt(
            "quota_gigabytes",
            default=1000,
            min=-1,
            help="GiB of a project's volumes and snapshots; -1: no limit.",
        ),
    ]
}
