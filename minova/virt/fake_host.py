"""The fake hypervisor's hosts: what is on each, whoever drives it."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from minova.common import errors
from minova.model import states
from minova.model.instance import VIF

_LOOK_SECONDS = 0.05
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
    """What is on a host, whoever drives it; the `deaf` guests have no power button."""

    guests: dict[str, FakeGuest] = field(default_factory=dict)
    images: dict[tuple[str, str], CachedImage] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    downloads: threading.Lock = field(default_factory=threading.Lock)
    deaf: set[str] = field(default_factory=set)

    def existing(self, uuid: str) -> FakeGuest:
        """The guest; errors.NotFound when there is none."""
        guest = self.guests.get(uuid)
        if guest is None:
            raise errors.NotFound(resource="Guest", id=uuid)
        return guest

    def is_deaf(self, uuid: str) -> bool:
        """Whether the guest does not hear its power button."""
        return uuid in self.deaf

    def press(self, uuid: str, seconds: float, cancelled: Callable[[], bool]) -> None:
        """Press its power button, and wait for so long when it does not hear it.

        errors.Conflict when `cancelled` says so meanwhile.
        """
        end = time.monotonic() + seconds
        while self._runs_deaf(uuid) and time.monotonic() < end:
            if cancelled():
                raise errors.Conflict(f"Server {uuid} is not waited for: it is taken over.")
            time.sleep(_LOOK_SECONDS)

    def _runs_deaf(self, uuid: str) -> bool:
        guest = self.guests.get(uuid)
        return guest is not None and guest.power_state not in ENDED and self.is_deaf(uuid)


_hosts: dict[str, FakeHost] = {}


def host_of(name: str) -> FakeHost:
    """The fake host `name` of this process, made on first use."""
    return _hosts.setdefault(name, FakeHost())
