"""Consoles: which there are, and the permission to open one."""

from dataclasses import dataclass

from minova.common.wire import record
from minova.model.instance import Instance

VNC, SERIAL = "vnc", "serial"
# Protocol -> the one kind of console this cloud has of it, as clients call it.
KINDS = {VNC: "novnc", SERIAL: "serial"}


@record
@dataclass(frozen=True)
class Grant:
    """Whoever has it may open the console `protocol` of `instance`, now."""

    instance: Instance
    protocol: str
