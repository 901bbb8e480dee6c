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
            "message_seconds",
            default=4,
            min=1,
            help="How long a message may be on its way to whoever is to take the work, before "
            "recovery sends another. Repeated messages do no harm, but cost time under load.",
        ),
        cfg.IntOpt(
            "recovery_interval",
            default=2,
            min=1,
            help="Seconds between two looks for work whose lease ran out.",
        ),
        cfg.IntOpt(
            "entering_seconds",
            default=300,
            min=1,
            help="How long nova-api may take from asking for a launch's volumes to entering the "
            "launch. What it has asked for by then, and not entered, is deleted.",
        ),
        cfg.IntOpt(
            "max_attempts",
            default=3,
            min=1,
            help="Hosts tried for one launch before the server goes to ERROR.",
        ),
    ]
}
