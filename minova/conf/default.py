"""[DEFAULT]: who this host is and where minova keeps things."""

import socket

from oslo_config import cfg

_PERIOD = (
    "^(hour(@[1-5]?[0-9])?|day(@(1?[0-9]|2[0-3]))?"
    "|month(@([1-9]|1[0-9]|2[0-8]))?|year(@([1-9]|1[0-2]))?)$"
)

OPTIONS = {
    "DEFAULT": [
        cfg.HostAddressOpt(
            "host",
            default=socket.gethostname(),
            sample_default="<this host's name>",
            help="Name of this host in the services list and on the message bus. Changing it "
            "later makes the host's instances look like another host's.",
        ),
        cfg.StrOpt(
            "state_path",
            default="/var/lib/minova",
            help="Folder for everything minova keeps: databases, images, volumes, instances.",
        ),
        cfg.BoolOpt(
            "share_one_cpu",
            default=True,
            help="Have the embedded profile's one process keep to one CPU, but for what can "
            "really be done beside it. Python runs one thread at a time, and on several CPUs "
            "it spends as much on changing threads as on the work.",
        ),
        cfg.BoolOpt(
            "instance_usage_audit",
            default=False,
            help="Have each compute host tell of every server that it had in the audit period "
            "that has just ended, by instance.exists notifications.",
        ),
        cfg.StrOpt(
            "instance_usage_audit_period",
            default="month",
            regex=_PERIOD,
            help="How long a period of the usage audit is: hour, day, month or year, from its "
            "beginning by the clock, or later: `month@15` begins on the 15th, `day@18` at 18:00 "
            "UTC.",
        ),
    ]
}
