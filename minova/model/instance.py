"""The nouns of the core: instance, flavor, image, block device, interface.

Units are in the names: `_mb` is MiB, `_gb` is GiB. Datetimes are aware, UTC.
"""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

from minova.common.wire import record
from minova.model import states


def utcnow() -> dt.datetime:
    """Now, aware, in UTC."""
    return dt.datetime.now(dt.UTC)


@record
@dataclass(frozen=True)
class Flavor:
    """A size. An instance keeps the copy it was launched with."""

    id: str
    name: str
    vcpus: int
    memory_mb: int
    root_gb: int
    ephemeral_gb: int = 0
    swap_mb: int = 0
    rxtx_factor: float = 1.0
    is_public: bool = True
    disabled: bool = False
    description: str | None = None
    extra_specs: dict[str, str] = field(default_factory=dict)

    @property
    def disk_gb(self) -> int:
        """GiB of host disk one instance may grow to."""
        return self.root_gb + self.ephemeral_gb + (self.swap_mb + 1023) // 1024


@record
@dataclass(frozen=True)
class ImageMeta:
    """What the image service says of an image; sizes in bytes, minimums in GiB and MiB."""

    id: str
    name: str
    status: str
    disk_format: str | None
    container_format: str | None
    size: int | None
    virtual_size: int | None
    checksum: str | None
    os_hash_algo: str | None
    os_hash_value: str | None
    min_disk_gb: int
    min_ram_mb: int
    owner: str | None
    visibility: str
    direct_url: str | None = None
    created_at: str = ""
    properties: dict[str, Any] = field(default_factory=dict)


@record
@dataclass(frozen=True)
class RequestedNetwork:
    """A network, or an existing port, that the launch asked for."""

    network_id: str | None = None
    port_id: str | None = None
    fixed_ip: str | None = None
    tag: str | None = None


@record
@dataclass(frozen=True)
class FixedIP:
    """An address of an interface, with what its subnet says.

    Without `dhcp` the guest has to be told its address by the metadata.
    `floating_ips` are the addresses of external networks that lead to it.
    """

    address: str
    subnet_cidr: str
    ip_version: int = 4
    gateway: str | None = None
    dns: list[str] = field(default_factory=list)
    subnet_id: str | None = None
    dhcp: bool = True
    floating_ips: list[str] = field(default_factory=list)


@record
@dataclass(frozen=True)
class VIF:
    """A network interface of an instance, as the network service bound it.

    `tap` is the host interface libvirt creates, on `bridge`, which exists
    with its filter rules before. `created` tells that the launch made the
    port, so that deleting the instance deletes it too.
    """

    port_id: str
    network_id: str
    network_name: str
    mac_address: str
    tap: str
    bridge: str
    mtu: int
    fixed_ips: list[FixedIP] = field(default_factory=list)
    created: bool = True
    tag: str | None = None


@record
@dataclass(frozen=True)
class BlockDevice:
    """A block device mapping.

    `source_type` is image, volume, blank or snapshot; `destination_type`
    local or volume. `boot_index` 0 is what the instance boots from. Once
    connected, `connection_info` is what the volume service answered. The
    size of a swap disk (`guest_format` swap) is in MiB. `device_type` is
    disk or cdrom; `disk_bus` None leaves the server's usual one.
    """

    id: str
    source_type: str
    destination_type: str
    boot_index: int | None = None
    volume_id: str | None = None
    image_id: str | None = None
    volume_size_gb: int | None = None
    device_name: str | None = None
    delete_on_termination: bool = False
    attachment_id: str | None = None
    connection_info: dict[str, Any] | None = None
    tag: str | None = None
    snapshot_id: str | None = None
    volume_type: str | None = None
    guest_format: str | None = None
    disk_bus: str | None = None
    device_type: str | None = None

    @property
    def is_volume(self) -> bool:
        return self.destination_type == "volume"

    @property
    def is_boot_volume(self) -> bool:
        return self.is_volume and self.boot_index == 0


@record
@dataclass(frozen=True)
class Fault:
    """Why an instance is in ERROR; `details` only for admins."""

    code: int
    message: str
    details: str
    created_at: dt.datetime


@record
@dataclass(frozen=True)
class Instance:
    """A server, as the DB has it.

    `security_groups` are the ids that its ports get (none: the network
    service's default), `security_group_names` what they are called.
    `locked_by` is `owner` or `admin`. `shelved_image_id` is what a shelved
    server comes back from, unless it boots from a volume. `password` is what the guest posted: the
    administrator's, encrypted with the user's key pair.
    """

    uuid: str
    name: str
    project_id: str
    user_id: str
    vm_state: str
    task_state: str | None
    power_state: int
    flavor: Flavor
    created_at: dt.datetime
    updated_at: dt.datetime | None = None
    launched_at: dt.datetime | None = None
    terminated_at: dt.datetime | None = None
    deleted_at: dt.datetime | None = None
    soft_deleted_at: dt.datetime | None = None
    id: int = 0
    host: str | None = None
    node: str | None = None
    image_id: str | None = None
    key_name: str | None = None
    key_data: str | None = None
    user_data: str | None = None
    # Each has a `path` and base64 `contents`.
    injected_files: list[dict[str, str]] | None = None
    config_drive: bool = False
    metadata: dict[str, str] = field(default_factory=dict)
    image_properties: dict[str, Any] = field(default_factory=dict)
    tags: list[str] = field(default_factory=list)
    description: str | None = None
    hostname: str = ""
    availability_zone: str | None = None
    requested_zone: str | None = None
    reservation_id: str = ""
    launch_index: int = 0
    root_device_name: str | None = None
    access_ip_v4: str | None = None
    access_ip_v6: str | None = None
    locked: bool = False
    locked_by: str | None = None
    locked_reason: str | None = None
    shelved_at: dt.datetime | None = None
    shelved_image_id: str | None = None
    password: str | None = None
    progress: int = 0
    disk_config: str = "MANUAL"
    requested_networks: list[RequestedNetwork] | None = None
    security_groups: list[str] = field(default_factory=list)
    security_group_names: list[str] = field(default_factory=list)
    scheduler_hints: dict[str, Any] = field(default_factory=dict)
    block_devices: list[BlockDevice] = field(default_factory=list)
    vifs: list[VIF] = field(default_factory=list)
    fault: Fault | None = None

    @property
    def deleted(self) -> bool:
        return self.deleted_at is not None

    @property
    def status(self) -> str:
        """The `status` a client sees."""
        return states.status_of(self.vm_state, self.task_state)

    @property
    def boots_from_volume(self) -> bool:
        """Whether the root disk is a volume."""
        return any(device.is_boot_volume for device in self.block_devices)

    @property
    def domain_name(self) -> str:
        """The name of the libvirt domain, `instance-0000002a`."""
        return domain_name(self.id)


def domain_name(instance_id: int) -> str:
    """The name of the libvirt domain of the instance with this number."""
    return f"instance-{instance_id:08x}"
