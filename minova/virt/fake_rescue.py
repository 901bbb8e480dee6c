"""Fake guests that boot another image."""

from minova.model import rescue_devices, states
from minova.model.instance import VIF, ImageMeta, Instance
from minova.virt.driver import GuestFiles
from minova.virt.fake_host import FakeGuest, FakeHost


def rescue(
    host: FakeHost,
    instance: Instance,
    image: ImageMeta,
    vifs: list[VIF],
    config_drive: GuestFiles | None,
) -> None:
    """See `Driver.rescue`."""
    rescue_devices.wanted(image.properties)
    with host.lock:
        guest = host.existing(instance.uuid)
        guest.power_state = states.SHUTDOWN
        guest.vifs, guest.rescue_image = list(vifs), image.id
        guest.rescue_drive = dict(config_drive.files) if config_drive is not None else {}
        guest.boot()


def unrescue(host: FakeHost, instance: Instance, vifs: list[VIF]) -> None:
    """See `Driver.unrescue`."""
    with host.lock:
        guest = host.existing(instance.uuid)
        guest.vifs = list(vifs)
        leave(guest)
        guest.boot()


def leave(guest: FakeGuest) -> None:
    """Let it boot its own disks next time."""
    guest.rescue_image, guest.rescue_drive = None, {}
