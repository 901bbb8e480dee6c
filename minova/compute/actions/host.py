"""What the functions of the actions work with."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from minova.clients.image import ImageClient
from minova.clients.network import NetworkClient
from minova.clients.volume import VolumeClient
from minova.common import errors
from minova.common.context import RequestContext
from minova.compute.build import Builder, connect_volume
from minova.conductor.rpcapi import ConductorAPI
from minova.model.instance import VIF, BlockDevice, Instance
from minova.model.work import Work
from minova.virt.driver import Driver

# An action may end the work with other values than its row of states.ACTIONS says.
Outcome = dict[str, Any]


class Unchanged(errors.MinovaError):
    """The action failed, and the instance is as it was before: its `vm_state` then."""

    def __init__(self, message: str, vm_state: str) -> None:
        super().__init__(message)
        self.vm_state = vm_state


@dataclass(frozen=True)
class Host:
    """This compute host: its driver, and its ways to the conductor and the companions.

    `name` is the host's, `owner` this process in the leases of its work;
    `cancelled` gives the event that says that a delete, or a hard reboot,
    takes the instance over: what waits then is to give up at once.
    """

    driver: Driver
    conductor: ConductorAPI
    builder: Builder
    name: str
    owner: str
    cancelled: Callable[[str], threading.Event] = lambda uuid: threading.Event()
    images: ImageClient = field(default_factory=ImageClient)
    networks: NetworkClient = field(default_factory=NetworkClient)
    volumes: VolumeClient = field(default_factory=VolumeClient)

    def bound(self, instance: Instance) -> list[VIF]:
        """Its interfaces, their ports ready on this host."""
        found = []
        for vif in instance.vifs:
            here = self.networks.bind_port(instance, vif.port_id, self.name, vif.tag)
            found.append(replace(here, created=vif.created))
        return found

    def connected(self, ctxt: RequestContext, instance: Instance) -> list[BlockDevice]:
        """Its block devices, the volumes exported to this host, and remembered as such."""
        found = []
        for device in instance.block_devices:
            if device.is_volume:
                here = connect_volume(self.volumes, device, instance, self.name)
                if here != device:
                    self.conductor.save_device(ctxt, here)
                device = here
            found.append(device)
        return found

    def connect_volumes(self, instance: Instance) -> None:
        """Have every volume exported again: a reboot of the host takes the exports along."""
        for device in instance.block_devices:
            if device.is_volume:
                connect_volume(self.volumes, device, instance, self.name)


# None: the work is another host's now, which ends it.
Act = Callable[[Host, RequestContext, Instance, Work], Outcome | None]
