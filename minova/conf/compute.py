"""[compute]: nova-compute on one host."""

from oslo_config import cfg

OPTIONS = {
    "compute": [
        cfg.StrOpt(
            "virt_driver",
            default="libvirt",
            choices=["libvirt", "fake"],
            help="What runs the guests. `fake` keeps them in memory and boots nothing.",
        ),
        cfg.IntOpt(
            "max_concurrent_builds", default=10, min=1, help="Builds one host does at a time."
        ),
        cfg.IntOpt(
            "block_device_seconds",
            default=300,
            min=1,
            help="Seconds a launch waits for a volume that is made for it.",
        ),
        cfg.IntOpt(
            "report_interval", default=10, min=1, help="Seconds between two reports of a service."
        ),
        cfg.IntOpt(
            "service_down_time",
            default=60,
            min=2,
            help="Seconds without a report after which a service counts as down.",
        ),
        cfg.BoolOpt(
            "force_config_drive",
            default=True,
            help="Give every guest a config drive, asked for or not: it has its metadata before "
            "its network.",
        ),
        cfg.BoolOpt(
            "allow_resize_to_same_host",
            default=True,
            help="Resize and migrate within a host, which a cloud of one host has to. It needs "
            "room for both sizes until the resize is confirmed.",
        ),
        cfg.IntOpt(
            "resize_confirm_window",
            default=0,
            min=0,
            help="Seconds after which a resize that nobody has confirmed or reverted is "
            "confirmed; 0: never.",
        ),
        cfg.IntOpt("reserved_host_memory_mb", default=512, min=0, help="MiB kept for the host."),
        cfg.IntOpt("reserved_host_disk_mb", default=0, min=0, help="MiB kept for the host."),
        cfg.IntOpt("reserved_host_cpus", default=0, min=0, help="CPUs kept for the host."),
        cfg.IntOpt(
            "shelved_offload_time",
            default=0,
            min=-1,
            help="Seconds after which a shelved server is taken from its host; 0 at once, -1 "
            "never. One that boots from a volume goes at once in any case.",
        ),
        cfg.IntOpt(
            "shelved_poll_interval",
            default=3600,
            min=1,
            help="Seconds between two searches for servers that have been shelved for long enough.",
        ),
        cfg.IntOpt(
            "sync_power_state_interval",
            default=600,
            min=0,
            help="Seconds between two comparisons of the DB's power states with the hypervisor's.",
        ),
        cfg.IntOpt(
            "reclaim_instance_interval",
            default=0,
            min=0,
            help="Seconds for which a deleted server is kept, stopped, and can be restored. "
            "0 deletes at once.",
        ),
        cfg.IntOpt(
            "image_cache_interval",
            default=2400,
            min=0,
            help="Seconds between two sweeps of the image cache; 0 never sweeps.",
        ),
        cfg.IntOpt(
            "image_cache_min_age",
            default=86400,
            min=0,
            help="Seconds an unused cached image is kept.",
        ),
    ]
}
