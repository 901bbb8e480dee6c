"""What the functions of the actions work with."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from minova.clients.image import ImageClient
from minova.clients.network import NetworkClient
from minova.clients.volume import VolumeClient
from minova.common.context import RequestContext
from minova.compute.build import Builder, connect_volume
from minova.conductor.rpcapi import ConductorAPI
from minova.model.instance import Instance
from minova.model.work import Work
from minova.virt.driver import Driver

# An action may end the work with other values than its row of states.ACTIONS says.
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Host:
    """This compute host: its driver, and its ways to the conductor and the companions.

    `name` is the host's, `owner` this process in the leases of its work.
    """

    driver: Driver
    conductor: ConductorAPI
    builder: Builder
    name: str
    owner: str
    images: ImageClient = field(default_factory=ImageClient)
    networks: NetworkClient = field(default_factory=NetworkClient)
    volumes: VolumeClient = field(default_factory=VolumeClient)

    def connect_volumes(self, instance: Instance) -> None:
        """Have every volume exported again: a reboot of the host takes the exports along."""
        for device in instance.block_devices:
            if device.is_volume:
                connect_volume(self.volumes, device, instance, self.name)


Act = Callable[[Host, RequestContext, Instance, Work], Outcome]
