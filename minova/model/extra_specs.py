"""The extra specs of flavors that Nova knows, and which values each may have (2.86).

A key of a known namespace has to be in the table; keys of other namespaces,
and without one, are the operator's own. What the keys mean to a guest is in
`hardware`. Source: the extra spec reference of nova 34.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from minova.common import errors

_TRUE = ("1", "t", "true", "on", "y", "yes")
_FALSE = ("0", "f", "false", "off", "n", "no")
_MASK = r"\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*"
_PAGES = r"(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)"
_AMOUNT = r"[!=<>]{0,2} ?\S.*"


@dataclass(frozen=True)
class Rule:
    """What a value has to be; `wrong` says why it is not, or None."""

    wrong: Callable[[str], str | None]


def _integer(least: int | None = None, most: int | None = None) -> Rule:
    def wrong(value: str) -> str | None:
        if not re.fullmatch(r"[+-]?\d{1,18}", value.strip()):
            return f"'{value}' is not a valid integer value."
        if most is not None and int(value) > most:
            return f"'{value}' is greater than the max value of '{most}'."
        if least is not None and int(value) < least:
            return f"'{value}' is less than the min value of '{least}'."
        return None

    return Rule(wrong)


def _one_of(*values: str) -> Rule:
    said = ", ".join(values)
    return Rule(lambda value: None if value in values else f"'{value}' is not one of: {said}.")


def _like(pattern: str) -> Rule:
    return Rule(
        lambda value: (
            None if re.fullmatch(pattern, value) else f"'{value}' is not of the format '{pattern}'."
        )
    )


def _boolean() -> Rule:
    return Rule(
        lambda value: (
            None
            if value.strip().lower() in (*_TRUE, *_FALSE)
            else f"'{value}' is not a valid boolean-like value."
        )
    )


_TEXT = Rule(lambda value: None)
_VMWARE = {"limit": _integer(), "reservation": _integer(), "shares_level": _TEXT}

# namespace -> key behind it, as a pattern -> rule
KNOWN: dict[str, dict[str, Rule]] = {
    "hw": {
        "cpu_realtime": _boolean(),
        "cpu_realtime_mask": _like(_MASK),
        "hide_hypervisor_id": _boolean(),
        "cpu_policy": _one_of("dedicated", "shared", "mixed"),
        "cpu_thread_policy": _one_of("prefer", "isolate", "require"),
        "emulator_threads_policy": _one_of("isolate", "share"),
        "cpu_dedicated_mask": _like(_MASK),
        "mem_page_size": _like(_PAGES),
        "numa_nodes": _integer(1),
        r"numa_cpus\.\d+": _like(_MASK),
        r"numa_mem\.\d+": _integer(1),
        "pci_numa_affinity_policy": _one_of("required", "preferred", "legacy", "socket"),
        "(max_)?cpu_(max_)?(sockets|cores|threads)": _integer(1),
        "boot_menu": _boolean(),
        "mem_encryption": _boolean(),
        "mem_encryption_model": _one_of("amd-sev", "amd-sev-es"),
        "pmem": _like(r"([a-zA-Z0-9_]+(,)?)+"),
        "pmu": _boolean(),
        "serial_port_count": _integer(0),
        "tpm_model": _one_of("tpm-tis", "tpm-crb"),
        "tpm_version": _one_of("1.2", "2.0"),
        "tpm_secret_security": _one_of("user", "host", "deployment"),
        "watchdog_action": _one_of("none", "pause", "poweroff", "reset", "disabled"),
        "viommu_model": _one_of("intel", "smmuv3", "virtio", "auto"),
        "virtio_packed_ring": _boolean(),
        "locked_memory": _boolean(),
        "maxphysaddr_mode": _one_of("passthrough", "emulate"),
        "maxphysaddr_bits": _integer(0),
        "vif_multiqueue_enabled": _boolean(),
        "sound_model": _TEXT,
        "usb_model": _TEXT,
        "redirected_usb_ports": _integer(0, 15),
    },
    "hw_rng": {"allowed": _boolean(), "rate_bytes": _integer(0), "rate_period": _integer(0)},
    "hw_video": {"ram_max_mb": _integer(0)},
    "quota": {
        "cpu_(shares|period|quota)": _integer(0),
        "disk_(read|write|total)_(bytes|iops)_sec(_max(_length)?)?": _integer(0),
        "vif_(inbound|outbound)_(average|burst|peak)": _integer(0),
        "(cpu|memory|disk_io|vif)_(limit|reservation|shares_share)": _integer(),
        "(cpu|memory|disk_io|vif)_shares_level": _TEXT,
    },
    "os": {
        "secure_boot": _one_of("required", "disabled", "optional"),
        "monitors": _integer(1, 8),
        "vram": _integer(1, 64),
        "resolution": _one_of(
            *("1024x768", "1280x1024", "1600x1200", "1920x1200", "2560x1600", "3840x2160")
        ),
    },
    "accel": {"device_profile": _TEXT},
    "pci_passthrough": {"alias": _like(r"[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*")},
    "capabilities": {r"\w+([.:\-\w]*)": _like(_AMOUNT)},
    "aggregate_instance_extra_specs": {r".+": _TEXT},
}
# Namespaces that may carry the name of a group.
_NUMBERED: dict[str, dict[str, Rule]] = {
    "resources": {r"CUSTOM_[A-Z0-9_]+|[A-Z0-9_]+": _integer(0)},
    "trait": {r"[A-Z0-9_]+": _one_of("required", "forbidden")},
}
_GROUP = r"([a-zA-Z0-9_-]{1,64})?"


def check(key: str, value: str) -> None:
    """errors.Invalid for an unknown key of a known namespace, or a value it cannot have."""
    namespace, _, name = key.partition(":")
    known = KNOWN.get(namespace)
    for numbered, rules in _NUMBERED.items():
        if re.fullmatch(numbered + _GROUP, namespace):
            known = rules
    if not name or known is None:
        return
    for pattern, rule in known.items():
        if re.fullmatch(pattern, name):
            wrong = rule.wrong(value)
            if wrong is None:
                return
            raise errors.Invalid(f"Validation failed; {wrong}")
    raise errors.Invalid(
        f"Validation failed; extra spec '{key}' does not appear to be a valid extra spec."
    )


def is_true(value: object) -> bool:
    """A boolean as extra specs and image properties spell it."""
    return str(value).strip().lower() in _TRUE
