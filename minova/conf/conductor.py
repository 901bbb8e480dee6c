"""[conductor]: launches, and the recovery of work whose owner is gone."""

from oslo_config import cfg

OPTIONS = {
    "conductor": [
        cfg.IntOpt(
            "lease_seconds",
            default=12,
            min=3,
            help="How long work in flight stays with an owner that says nothing. Owners renew at "
            "a third of it; when it runs out, another takes the work up or fails it.",
        ),
        cfg.IntOpt(
            "recovery_interval",
            default=3,
            min=1,
            help="Seconds between two looks for work whose lease ran out.",
        ),
        cfg.IntOpt(
            "max_attempts",
            default=3,
            min=1,
            help="Hosts tried for one launch before the server goes to ERROR.",
        ),
    ]
}
