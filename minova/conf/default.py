"""[DEFAULT]: who this host is and where minova keeps things."""

import socket

from oslo_config import cfg

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
    ]
}
