"""Extra specs of flavors: what a host must offer, and how the guest is made."""

import re
from typing import Any

import falcon

from minova.api.access import Access
from minova.api.flavors import known_id
from minova.api.schemas import flavors as schemas
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import flavors

_NUMBER = r"\d{1,12}"
_BOOL = r"(?i:true|false|yes|no|on|off|t|f|y|n|1|0)"
_ANY = r".*"

# From 2.86 on a key of these namespaces has to be one of them, with such a
# value; keys of other namespaces, and without one, are the operator's own.
# Names: the extra spec reference of Nova's documentation.
_KNOWN: dict[str, dict[str, str]] = {
    "hw": {
        r"numa_nodes": _NUMBER,
        r"numa_(cpus|mem)\.\d+": r"[\d,^\- ]+",
        r"pci_numa_affinity_policy": r"required|preferred|legacy|socket",
        r"cpu_policy": r"dedicated|shared|mixed",
        r"cpu_dedicated_mask": r"[\d,^\-]+",
        r"cpu_thread_policy": r"prefer|isolate|require",
        r"emulator_threads_policy": r"share|isolate",
        r"cpu_realtime": _BOOL,
        r"cpu_realtime_mask": r"[\d,^\-]+",
        r"cpu_(max_)?(sockets|cores|threads)": _NUMBER,
        r"mem_page_size": r"large|small|any|\d+([kKmMgG]([bB]|iB)?)?",
        r"mem_encryption": _BOOL,
        r"mem_encryption_model": _ANY,
        r"(virtio_packed_ring|locked_memory|pmu|boot_menu|tpm_secret_security)": _ANY,
        r"(pmem|watchdog_action|serial_port_count|vif_multiqueue_enabled)": _ANY,
        r"(tpm_version|tpm_model|viommu_model|maxphysaddr_mode|maxphysaddr_bits)": _ANY,
        r"(hide_hypervisor_id|sound_model|usb_model|redirected_usb_ports)": _ANY,
    },
    "hw_rng": {r"allowed": _BOOL, r"rate_bytes": _NUMBER, r"rate_period": _NUMBER},
    "hw_video": {r"ram_max_mb": _NUMBER},
    "quota": {
        r"cpu_(shares|period|quota)(_.*)?": r"-?\d{1,12}",
        r"disk_(read|write|total)_(bytes|iops)_sec(_max(_length)?)?": _NUMBER,
        r"vif_(in|out)bound_(average|burst|peak)": _NUMBER,
        r"(cpu|memory|disk_io|vif)_(limit|reservation|shares_level|shares_share)": _ANY,
    },
    "os": {r"secure_boot": r"required|disabled|optional", r"vif_model": _ANY},
    "trait": {r"(group[\w\-]+\.)?[A-Z][A-Z0-9_]*": r"required|forbidden"},
    "accel": {r"device_profile": _ANY},
    "pci_passthrough": {r"alias": _ANY},
}


class FlavorExtraSpecs:
    """The handlers of /flavors/{flavor_id}/os-extra_specs."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        path = "/v2.1/flavors/{flavor_id}/os-extra_specs"
        return [
            Route("GET", path, self.index),
            Route("POST", path, self.create),
            Route("GET", path + "/{key}", self.show),
            Route("PUT", path + "/{key}", self.update),
            Route("DELETE", path + "/{key}", self.delete),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response, flavor_id: str) -> dict[str, Any]:
        """GET /flavors/{flavor_id}/os-extra_specs"""
        return {"extra_specs": self._specs(req, flavor_id)}

    def show(
        self, req: falcon.Request, resp: falcon.Response, flavor_id: str, key: str
    ) -> dict[str, Any]:
        """GET /flavors/{flavor_id}/os-extra_specs/{key}"""
        specs = self._specs(req, flavor_id)
        if key not in specs:
            raise errors.NotFound(f"Flavor {flavor_id} has no extra specs with key {key[:255]}.")
        return {key: specs[key]}

    def _specs(self, req: falcon.Request, flavor_id: str) -> dict[str, str]:
        self._access.check(req, "os-flavor-extra-specs:index")
        every = self._access.allows(req, "os-flavor-access")
        project = None if every else str(req.context.ctxt.project_id)
        return flavors.get(self._db, known_id(flavor_id), project_id=project).extra_specs

    def create(self, req: falcon.Request, resp: falcon.Response, flavor_id: str) -> dict[str, Any]:
        """POST /flavors/{flavor_id}/os-extra_specs"""
        self._access.check(req, "os-flavor-extra-specs:create")
        wanted = _strings(schemas.ADD_SPECS.of(req)["extra_specs"])
        self._set(req, flavor_id, wanted)
        return {"extra_specs": wanted}

    def update(
        self, req: falcon.Request, resp: falcon.Response, flavor_id: str, key: str
    ) -> dict[str, Any]:
        """PUT /flavors/{flavor_id}/os-extra_specs/{key}"""
        self._access.check(req, "os-flavor-extra-specs:update")
        wanted = _strings(schemas.SET_SPEC.of(req))
        if list(wanted) != [key]:
            raise errors.Invalid(f"The body has to be the one key of the URL, {key[:255]}.")
        self._set(req, flavor_id, wanted)
        return dict(wanted)

    def _set(self, req: falcon.Request, flavor_id: str, wanted: dict[str, str]) -> None:
        if req.context.version >= (2, 86):
            for key, value in wanted.items():
                check(key, value)
        flavors.change_specs(self._db, known_id(flavor_id), wanted)

    def delete(self, req: falcon.Request, resp: falcon.Response, flavor_id: str, key: str) -> None:
        """DELETE /flavors/{flavor_id}/os-extra_specs/{key}"""
        self._access.check(req, "os-flavor-extra-specs:delete")
        flavors.change_specs(self._db, known_id(flavor_id), {}, remove=key)


def check(key: str, value: str) -> None:
    """errors.Invalid for a key of a known namespace that is unknown, or its value wrong."""
    namespace, _, name = key.partition(":")
    known = _KNOWN.get(namespace)
    if not name or known is None:
        return
    for pattern, values in known.items():
        if re.fullmatch(pattern, name):
            if re.fullmatch(values, value, re.DOTALL):
                return
            raise errors.Invalid(f"Validation failed; '{value}' is no value of extra spec {key}.")
    raise errors.Invalid(
        f"Validation failed; extra spec '{key}' does not appear to be a valid extra spec."
    )


def _strings(values: dict[str, Any]) -> dict[str, str]:
    return {key: str(value) for key, value in values.items()}
