"""What runs the guests: one driver interface, a libvirt and a fake driver."""

from minova.virt.driver import Driver


def load(name: str) -> Driver:
    """The driver `name` (`[compute] virt_driver`): `libvirt` or `fake`, not started."""
    # Only one is ever used, and libvirt's needs a library that a host without guests lacks.
    if name == "libvirt":
        from minova.virt.libvirt.driver import LibvirtDriver

        return LibvirtDriver()
    if name == "fake":
        from minova.virt.fake import FakeDriver

        return FakeDriver()
    raise ValueError(f"no virt driver is called {name}")
