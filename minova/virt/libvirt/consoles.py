"""The consoles of a running guest, as open file descriptors.

The screen is QEMU's VNC server, which listens nowhere: libvirt gives it one
end of a pair of sockets. The serial console is the pty that QEMU made; what
the guest says there goes to the console log besides, read or not.
"""

import os
import re
from xml.etree import ElementTree

from minova.common import errors
from minova.model.console import SERIAL, VNC
from minova.virt.libvirt.guest import Guest

_PTY = re.compile(r"/dev/pts/\d+")


def open_console(guest: Guest, protocol: str) -> int:
    """See `Driver.open_console`."""
    opened = {VNC: Guest.open_screen, SERIAL: _open_serial}[protocol](guest)
    if opened is None:
        raise errors.Conflict(f"The guest of server {guest.uuid} does not run; start it.")
    return opened


def _open_serial(guest: Guest) -> int | None:
    xml = guest.xml(live=True)
    if xml is None:
        return None
    source = ElementTree.fromstring(xml).find("devices/serial[@type='pty']/source")
    path = "" if source is None else source.get("path", "")
    if not _PTY.fullmatch(path):
        raise errors.NotSupported(feature=f"The serial console of server {guest.uuid}")
    try:
        return os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return None  # it has just ended
