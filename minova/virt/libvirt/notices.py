"""Tells that libvirt is away: libvirt.connect.error."""

import contextlib
import socket

from oslo_config import cfg

from minova.common import notices
from minova.common.notices import Notice
from minova.model.notices import exception, versioned

EVENT = "libvirt.connect.error"


def unreachable(reason: str) -> None:
    """A connection to libvirt could not be made, for this reason."""
    if not notices.on():
        return
    host = cfg.CONF.host
    address = "127.0.0.1"
    with contextlib.suppress(OSError):
        address = socket.gethostbyname(host)
    payload = versioned("LibvirtErrorPayload", "1.0", {"ip": address, "reason": exception(reason)})
    notices.send(Notice(EVENT, payload, f"nova-compute:{host}", {}, failed=True))
