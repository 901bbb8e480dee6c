"""The serial console: a pty to type at, and a log that survives restarts of guest and service.

libvirt hands the log to virtlogd, which has to run. It turns the file over
at 2 MiB (virtlogd.conf, max_size) into `.0`, `.1`, …
"""

from minova.virt.libvirt.domain.element import Element, add, devices
from minova.virt.libvirt.domain.spec import DomainSpec


def build(spec: DomainSpec, domain: Element) -> None:
    serial = add(devices(domain), "serial", type="pty")
    add(serial, "log", file=spec.console_log, append="on")
    add(serial, "target", type="isa-serial", port=0)
