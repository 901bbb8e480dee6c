"""What image properties and extra specs make of a guest's hardware, and what is refused.

`check` is asked when a server is launched, rebuilt or resized, so that no
host is tried in vain; `of` is what a driver builds. Source: nova 34's
references of image properties and extra specs.
"""

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from minova.common import errors
from minova.model import device_names
from minova.model.extra_specs import is_true
from minova.model.instance import Flavor

Properties = Mapping[str, Any]
BIOS, UEFI = "bios", "uefi"

_BOOLEAN = ("1", "t", "true", "on", "y", "yes", "0", "f", "false", "off", "n", "no")
_BUSES = tuple(device_names.PREFIXES)
# Image property -> the values that can be had here; None: any whole number from 1 up.
_VALUES: dict[str, tuple[str, ...] | None] = {
    "hw_disk_bus": _BUSES,
    "hw_cdrom_bus": _BUSES,
    "hw_scsi_model": ("virtio-scsi", "lsilogic", "lsisas1068", "lsisas1078"),
    "hw_vif_model": ("virtio", "e1000", "e1000e", "ne2k_pci", "pcnet", "rtl8139", "vmxnet3"),
    "hw_video_model": ("vga", "cirrus", "vmvga", "qxl", "virtio", "bochs", "none"),
    "hw_video_ram": None,
    "hw_firmware_type": (BIOS, UEFI),
    "hw_rng_model": ("virtio",),
    "hw_watchdog_action": ("none", "pause", "poweroff", "reset", "disabled"),
    "hw_pointer_model": ("usbtablet", "ps2mouse"),
    "hw_input_bus": ("usb", "virtio"),
    "hw_boot_menu": _BOOLEAN,
    "hw_qemu_guest_agent": _BOOLEAN,
    "os_require_quiesce": _BOOLEAN,
    "hw_vif_multiqueue_enabled": _BOOLEAN,
    "hw_cpu_policy": ("shared",),
    "hw_cpu_sockets": None,
    "hw_cpu_cores": None,
    "hw_cpu_threads": None,
    "hw_cpu_max_sockets": None,
    "hw_cpu_max_cores": None,
    "hw_cpu_max_threads": None,
}
# Extra spec -> the values that can be had here; the empty tuple: none.
_SPECS: dict[str, tuple[str, ...]] = {
    "hw:cpu_policy": ("shared",),
    "hw:cpu_dedicated_mask": (),
    "hw:cpu_thread_policy": (),
    "hw:emulator_threads_policy": (),
    "hw:cpu_realtime": ("false", "no", "0", "off"),
    "hw:numa_nodes": (),
    "hw:mem_page_size": (),
    "hw:mem_encryption": ("false", "no", "0", "off"),
    "hw:pmem": (),
    "hw:tpm_version": (),
    "hw:tpm_model": (),
    "hw:pci_numa_affinity_policy": (),
    "hw:viommu_model": (),
    "pci_passthrough:alias": (),
    "accel:device_profile": (),
    "os:secure_boot": ("disabled", "optional"),
}
# Image properties that ask for what no guest gets here.
_ABSENT: dict[str, tuple[str, ...]] = {
    "hw_numa_nodes": (),
    "hw_mem_page_size": (),
    "hw_mem_encryption": ("false", "no", "0", "off"),
    "hw_cpu_realtime": ("false", "no", "0", "off"),
    "hw_emulator_threads_policy": (),
    "hw_tpm_version": (),
    "hw_tpm_model": (),
    "os_secure_boot": ("disabled", "optional"),
}
_DISK_LIMITS = tuple(
    f"{what}_{unit}_sec{burst}"
    for what in ("read", "write", "total")
    for unit in ("bytes", "iops")
    for burst in ("", "_max", "_max_length")
)
_ACTIONS = ("pause", "poweroff", "reset", "none")


@dataclass(frozen=True)
class Topology:
    """How a guest's CPUs are arranged; the product is their number."""

    sockets: int
    cores: int
    threads: int


@dataclass(frozen=True)
class Hardware:
    """The devices of a guest, besides its disks and interfaces.

    None leaves libvirt's or our usual choice. `vif_queues` is of each
    interface. `disk_limits` are libvirt's iotune settings, `bandwidth` those
    of an interface in each direction (KiB/s, KiB).
    """

    machine: str | None = None
    firmware: str = BIOS
    boot_menu: bool = False
    topology: Topology | None = None
    cpu_tune: dict[str, int] = field(default_factory=dict)
    disk_limits: dict[str, int] = field(default_factory=dict)
    bandwidth: dict[str, dict[str, int]] = field(default_factory=dict)
    vif_model: str = "virtio"
    vif_queues: int = 1
    scsi_model: str = "virtio-scsi"
    rng: bool = True
    rng_bytes: int | None = None
    rng_period: int | None = None
    video_model: str | None = None
    video_ram_mb: int | None = None
    watchdog: str | None = None
    tablet_bus: str | None = None
    guest_agent: bool = False
    local_time: bool = False


def check(flavor: Flavor, properties: Properties) -> None:
    """errors.Invalid, in a sentence, when a guest cannot be what image and flavor say."""
    for key, value in flavor.extra_specs.items():
        allowed = _SPECS.get(key)
        if allowed is not None and str(value).lower() not in allowed:
            raise errors.Invalid(
                f"The flavor asks for {key}={value}, which no host of this cloud can give; choose "
                "another flavor."
            )
        if key.startswith(("hw:numa_cpus.", "hw:numa_mem.")):
            raise errors.Invalid(
                f"The flavor asks for {key}, and this cloud lays out no guest NUMA nodes; choose "
                "another flavor."
            )
    for key, value in properties.items():
        _check_property(key, str(value))
    _check_video(flavor, properties)
    _topology(flavor, properties)


def of(flavor: Flavor, properties: Properties) -> Hardware:
    """The hardware of a guest. What `check` would refuse is left out."""
    specs = flavor.extra_specs
    tablet = str(properties.get("hw_pointer_model") or "").lower() == "usbtablet"
    bus = str(properties.get("hw_input_bus") or "usb").lower()
    return Hardware(
        machine=str(properties["hw_machine_type"]) if properties.get("hw_machine_type") else None,
        firmware=_choice(properties, "hw_firmware_type") or BIOS,
        boot_menu=_both(specs, properties, "boot_menu"),
        topology=_topology(flavor, properties),
        cpu_tune=_numbers(specs, "quota:cpu_", ("shares", "period", "quota")),
        disk_limits=_numbers(specs, "quota:disk_", _DISK_LIMITS),
        bandwidth=_bandwidth(specs),
        vif_model=_choice(properties, "hw_vif_model") or "virtio",
        vif_queues=flavor.vcpus if _both(specs, properties, "vif_multiqueue_enabled") else 1,
        scsi_model=_choice(properties, "hw_scsi_model") or "virtio-scsi",
        rng=is_true(specs.get("hw_rng:allowed", "true")),
        rng_bytes=_number(specs.get("hw_rng:rate_bytes")),
        rng_period=_number(specs.get("hw_rng:rate_period")),
        video_model=_choice(properties, "hw_video_model"),
        video_ram_mb=_number(properties.get("hw_video_ram")),
        watchdog=_watchdog(specs, properties),
        tablet_bus=bus if tablet or properties.get("hw_input_bus") else None,
        guest_agent=is_true(properties.get("hw_qemu_guest_agent", "no")),
        local_time=str(properties.get("os_type") or "").lower() == "windows",
    )


def _check_property(key: str, value: str) -> None:
    absent = _ABSENT.get(key)
    if absent is not None and value.lower() not in absent:
        raise errors.Invalid(
            f"The image asks for {key}={value[:64]}, which no host of this cloud can give; change "
            "the image's property."
        )
    if key not in _VALUES:
        return
    allowed = _VALUES[key]
    if allowed is None:
        if _number(value) is None or int(value) < 1:
            raise errors.Invalid(
                f"Invalid image metadata. Error: {key} has to be a number from 1 up, not "
                f"'{value[:64]}'."
            )
    elif value.lower() not in allowed:
        named = "yes or no" if allowed is _BOOLEAN else ", ".join(allowed)
        raise errors.Invalid(
            f"Invalid image metadata. Error: {key} '{value[:64]}' cannot be had here; it may be "
            f"{named}."
        )


def _check_video(flavor: Flavor, properties: Properties) -> None:
    wanted = _number(properties.get("hw_video_ram"))
    most = _number(flavor.extra_specs.get("hw_video:ram_max_mb")) or 0
    if wanted is not None and wanted > most:
        raise errors.Invalid(
            f"The requested amount of video memory {wanted} is higher than the maximum allowed "
            f"by flavor {most}."
        )


def _topology(flavor: Flavor, properties: Properties) -> Topology | None:
    """The arrangement closest to what flavor and image prefer; None if they say nothing.

    errors.Invalid when nothing fits, or the image goes beyond its flavor.
    """
    kinds = ("sockets", "cores", "threads")
    specs = flavor.extra_specs
    wanted = {k: _number(specs.get(f"hw:cpu_{k}")) for k in kinds}
    limits = {
        k: _number(specs.get(f"hw:cpu_max_{k}") or specs.get(f"hw:max_cpu_{k}")) for k in kinds
    }
    of_image = {k: _number(properties.get(f"hw_cpu_{k}")) for k in kinds}
    images_limits = {k: _number(properties.get(f"hw_cpu_max_{k}")) for k in kinds}
    for kind in kinds:
        limit = limits[kind]
        for said in (of_image[kind], images_limits[kind]):
            if limit and said and said > limit:
                raise errors.Invalid(
                    f"The image's CPU topology wants {said} {kind}, and the flavor allows {limit}."
                )
    preferred = {k: wanted[k] or of_image[k] for k in kinds}
    most = {k: images_limits[k] or limits[k] or flavor.vcpus for k in kinds}
    if not any([*preferred.values(), *limits.values(), *images_limits.values()]):
        return None
    fitting = [
        Topology(*counts)
        for counts in itertools.product(_divisors(flavor.vcpus), repeat=3)
        if counts[0] * counts[1] * counts[2] == flavor.vcpus
        and all(count <= most[k] for k, count in zip(kinds, counts, strict=True))
    ]
    if not fitting:
        bounds = ":".join(str(most[k]) for k in kinds)
        raise errors.Invalid(
            f"Requested vCPU limits {bounds} are impossible to satisfy for vcpus count "
            f"{flavor.vcpus}"
        )

    def score(one: Topology) -> tuple[int, int, int]:
        met = sum(getattr(one, k) == preferred[k] for k in kinds if preferred[k])
        return met, one.sockets, one.cores

    return max(fitting, key=score)


def _divisors(number: int) -> Iterable[int]:
    return [n for n in range(1, number + 1) if number % n == 0]


def _watchdog(specs: Mapping[str, str], properties: Properties) -> str | None:
    action = properties.get("hw_watchdog_action") or specs.get("hw:watchdog_action")
    action = str(action or "").lower()
    return action if action in _ACTIONS else None


def _both(specs: Mapping[str, str], properties: Properties, name: str) -> bool:
    """A switch that the flavor or, where it says nothing, the image turns on."""
    return is_true(specs.get(f"hw:{name}", properties.get(f"hw_{name}", "no")))


def _choice(properties: Properties, key: str) -> str | None:
    value = str(properties.get(key) or "").lower()
    return value if value in (_VALUES[key] or ()) else None


def _bandwidth(specs: Mapping[str, str]) -> dict[str, dict[str, int]]:
    found = {}
    for direction in ("inbound", "outbound"):
        values = _numbers(specs, f"quota:vif_{direction}_", ("average", "peak", "burst"))
        if "average" in values:
            found[direction] = values
    return found


def _numbers(specs: Mapping[str, str], prefix: str, names: Iterable[str]) -> dict[str, int]:
    found = {name: _number(specs.get(prefix + name)) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def _number(value: Any) -> int | None:
    text = str(value if value is not None else "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
