"""What a running guest has used: counters since it was started. Sizes in bytes, times in ns."""

from dataclasses import dataclass, field

from minova.common.wire import record


@record
@dataclass(frozen=True)
class Nic:
    """A network interface; `name` is the tap's on the host."""

    name: str
    mac_address: str | None
    rx_octets: int
    rx_packets: int
    rx_errors: int
    rx_drop: int
    tx_octets: int
    tx_packets: int
    tx_errors: int
    tx_drop: int


@record
@dataclass(frozen=True)
class DiskUse:
    """A disk; `name` is the guest's (`vda`). Nobody counts errors where they are None."""

    name: str
    read_bytes: int
    read_requests: int
    write_bytes: int
    write_requests: int
    errors: int | None = None


@record
@dataclass(frozen=True)
class Diagnostics:
    """`power_state` decides whether there is more; memory in MiB."""

    power_state: int
    hypervisor: str = ""
    config_drive: bool = False
    memory_maximum: int = 0
    memory_used: int = 0
    cpu_times: list[int] = field(default_factory=list)
    nics: list[Nic] = field(default_factory=list)
    disks: list[DiskUse] = field(default_factory=list)
