"""The fake hypervisor's hosts: what is on each, whoever drives it."""

import threading
from dataclasses import dataclass, field

from minova.common import errors
from minova.model import states
from minova.model.instance import VIF

ENDED = (states.NOSTATE, states.SHUTDOWN, states.CRASHED, states.POWER_SUSPENDED)


@dataclass
class FakeGuest:
    """A guest: `disks` are made before it has a `power_state`.

    `aside` holds what it was before a migration, by the migration's uuid.
    `rescue_image` is the id of what it boots instead of its own disks, with
    `rescue_drive` for its config drive.
    """

    uuid: str
    name: str
    power_state: int = states.NOSTATE
    disks: bool = False
    root_gb: int = 0
    aside: dict[str, "FakeGuest"] = field(default_factory=dict)
    vifs: list[VIF] = field(default_factory=list)
    volumes: dict[str, str] = field(default_factory=dict)
    config_drive: dict[str, bytes] = field(default_factory=dict)
    rescue_image: str | None = None
    rescue_drive: dict[str, bytes] = field(default_factory=dict)
    console: bytes = b""

    def say(self, line: str) -> None:
        """Write a line to its console."""
        self.console += f"fake guest: {line}\r\n".encode()

    def plug(self, vif: VIF) -> None:
        """Have an interface. Idempotent."""
        self.unplug(vif)
        self.vifs.append(vif)

    def unplug(self, vif: VIF) -> None:
        """Have it no more. Idempotent."""
        self.vifs = [other for other in self.vifs if other.mac_address != vif.mac_address]

    def boot(self) -> None:
        """Run, from the start."""
        self.power_state = states.RUNNING
        self.say(f"{self.name} boots" if self.rescue_image is None else "the rescue system is up")
        self.say("finds its disks")
        self.say("ready")


@dataclass
class CachedImage:
    """An image in the cache: its virtual size in bytes, its ids and when each was last used."""

    virtual_size: int
    ids: dict[str, float] = field(default_factory=dict)


@dataclass
class FakeHost:
    """What is on a host, whoever drives it."""

    guests: dict[str, FakeGuest] = field(default_factory=dict)
    images: dict[tuple[str, str], CachedImage] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    downloads: threading.Lock = field(default_factory=threading.Lock)

    def existing(self, uuid: str) -> FakeGuest:
        """The guest; errors.NotFound when there is none."""
        guest = self.guests.get(uuid)
        if guest is None:
            raise errors.NotFound(resource="Guest", id=uuid)
        return guest


_hosts: dict[str, FakeHost] = {}


def host_of(name: str) -> FakeHost:
    """The fake host `name` of this process, made on first use."""
    return _hosts.setdefault(name, FakeHost())
