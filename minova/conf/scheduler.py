"""[scheduler]: how a host is picked."""

from oslo_config import cfg

OPTIONS = {
    "scheduler": [
        cfg.StrOpt(
            "driver",
            default="filter",
            choices=[
                ("filter", "filters, then the best weight"),
                ("chance", "any host that is up and has room, at random"),
            ],
            help="How a host is picked.",
        ),
        cfg.ListOpt(
            "enabled_filters",
            default=[
                "ComputeFilter",
                "AvailabilityZoneFilter",
                "ResourcesFilter",
                "ImagePropertiesFilter",
                "ComputeCapabilitiesFilter",
                "AggregateInstanceExtraSpecsFilter",
                "ServerGroupAffinityFilter",
                "ServerGroupAntiAffinityFilter",
                "SameHostFilter",
                "DifferentHostFilter",
            ],
            help="Filters every host has to pass, in this order.",
        ),
        cfg.FloatOpt("cpu_allocation_ratio", default=4.0, min=0.1, help="vCPUs per physical CPU."),
        cfg.FloatOpt("ram_allocation_ratio", default=1.0, min=0.1, help="Guest MiB per host MiB."),
        cfg.FloatOpt("disk_allocation_ratio", default=1.0, min=0.1, help="Guest GiB per host GiB."),
        cfg.FloatOpt("ram_weight_multiplier", default=1.0, help="Prefer (>0) hosts with free RAM."),
        cfg.FloatOpt(
            "cpu_weight_multiplier", default=1.0, help="Prefer (>0) hosts with free CPUs."
        ),
        cfg.FloatOpt(
            "disk_weight_multiplier", default=1.0, help="Prefer (>0) hosts with free disk."
        ),
        cfg.FloatOpt(
            "soft_affinity_weight_multiplier",
            default=10.0,
            help="Prefer (>0) hosts with many servers of a soft-affinity group. More than the "
            "other multipliers together, or free resources decide.",
        ),
        cfg.FloatOpt(
            "soft_anti_affinity_weight_multiplier",
            default=10.0,
            help="Prefer (>0) hosts with few servers of a soft-anti-affinity group.",
        ),
    ]
}
