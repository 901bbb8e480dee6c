"""What fake guests do when asked from inside, and what they have used."""

from minova.common import errors
from minova.model import guest_agent, states
from minova.model.diagnostics import Diagnostics, DiskUse, Nic
from minova.model.instance import Instance
from minova.virt.fake_host import ENDED, FakeGuest, FakeHost

_BOOT_NS = 10**9


def set_password(host: FakeHost, instance: Instance, password: str) -> None:
    """See `Driver.set_password`."""
    guest_agent.require(instance)
    _running(host, instance).say("the administrator's password was changed")


def freeze(host: FakeHost, instance: Instance) -> None:
    """For a snapshot; errors.Conflict when it cannot, and the image says that it must."""
    guest = host.existing(instance.uuid)
    if guest.power_state in ENDED:
        return
    try:
        guest_agent.require(instance)
        if guest.power_state != states.RUNNING:
            raise errors.Conflict(f"The guest of server {instance.uuid} stands still.")
        guest.say("file systems are frozen for a moment")
    except errors.Conflict as error:
        guest_agent.allow_unfrozen(instance, error.message)


def trigger_crash_dump(host: FakeHost, instance: Instance) -> None:
    """See `Driver.trigger_crash_dump`."""
    _running(host, instance).say("NMI received, dumping memory")


def diagnostics(host: FakeHost, instance: Instance) -> Diagnostics:
    """See `Driver.diagnostics`: a guest that has booted and done no more."""
    with host.lock:
        guest = host.guests.get(instance.uuid)
        if guest is None or guest.power_state in ENDED:
            return Diagnostics(states.NOSTATE if guest is None else guest.power_state)
        names = [] if instance.boots_from_volume else ["vda"]
        names += [name.removeprefix("/dev/") for name in guest.volumes.values()]
        return Diagnostics(
            power_state=guest.power_state,
            hypervisor="fake",
            config_drive=bool(guest.config_drive),
            memory_maximum=instance.flavor.memory_mb,
            memory_used=instance.flavor.memory_mb,
            cpu_times=[_BOOT_NS] * instance.flavor.vcpus,
            nics=[Nic(vif.tap, vif.mac_address, 0, 0, 0, 0, 0, 0, 0, 0) for vif in guest.vifs],
            disks=[DiskUse(name, 512, 1, 0, 0) for name in sorted(names)],
        )


def _running(host: FakeHost, instance: Instance) -> FakeGuest:
    guest = host.existing(instance.uuid)
    if guest.power_state in ENDED:
        raise errors.Conflict(f"The guest of server {instance.uuid} does not run; start it.")
    return guest
