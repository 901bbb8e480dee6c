"""What a domain is made of, decided before any XML is written."""

import datetime as dt
from dataclasses import dataclass, field

from minova.model.hardware import Hardware
from minova.model.instance import VIF

PC = "pc"
Q35 = "q35"


@dataclass(frozen=True)
class Disk:
    """A disk of the guest, `target` being its name there (`vda`).

    Either a local file at `path`, or an NBD export `export` behind the unix
    socket `socket`, or at `host`:`port`. A `cdrom` is read-only, and without
    a `target` on the machine's bus for CD-ROMs. `boot` is its place in the
    boot order, `limits` what libvirt calls its iotune.
    """

    target: str
    format: str = "raw"
    path: str = ""
    export: str = ""
    socket: str = ""
    host: str = ""
    port: int = 0
    serial: str = ""
    cache: str = "writeback"
    readonly: bool = False
    cdrom: bool = False
    boot: int | None = None
    bus: str = "virtio"
    limits: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Owner:
    """Whose guest it is, for the people who look at the host with virsh."""

    server_name: str
    flavor_name: str
    flavor_memory_mb: int
    flavor_vcpus: int
    project_id: str
    user_id: str
    image_id: str | None
    created_at: dt.datetime


@dataclass(frozen=True)
class DomainSpec:
    """A whole domain. `virt_type` is `kvm` or `qemu`; `cpu_mode` None leaves QEMU's default."""

    uuid: str
    name: str
    owner: Owner
    virt_type: str
    machine: str
    memory_mb: int
    vcpus: int
    console_log: str
    cpu_mode: str | None = None
    tb_cache_mib: int | None = None
    disks: list[Disk] = field(default_factory=list)
    interfaces: list[VIF] = field(default_factory=list)
    hardware: Hardware = field(default_factory=Hardware)

    @property
    def is_q35(self) -> bool:
        """Whether the machine is PCI Express, by QEMU's names (`q35`, `pc-q35-7.2`)."""
        return Q35 in self.machine

    @property
    def buses(self) -> set[str]:
        """The buses its disks are on."""
        return {disk.bus for disk in self.disks if disk.target}
