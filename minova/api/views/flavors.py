"""Flavors as clients see them."""

from typing import Any

import falcon

from minova.api.views import links
from minova.model.instance import Flavor


def brief(req: falcon.Request, flavor: Flavor) -> dict[str, Any]:
    """A flavor in GET /flavors."""
    shown: dict[str, Any] = {
        "id": flavor.id,
        "name": flavor.name,
        "links": links.of(req, f"flavors/{flavor.id}"),
    }
    if req.context.version >= (2, 55):
        shown["description"] = flavor.description
    return shown


def full(req: falcon.Request, flavor: Flavor, *, specs: bool) -> dict[str, Any]:
    """A flavor with all of its values; `specs`: the request may see its extra specs."""
    version = req.context.version
    shown = {
        **brief(req, flavor),
        "ram": flavor.memory_mb,
        "disk": flavor.root_gb,
        "vcpus": flavor.vcpus,
        "swap": flavor.swap_mb or ("" if version < (2, 75) else 0),
        "OS-FLV-EXT-DATA:ephemeral": flavor.ephemeral_gb,
        "OS-FLV-DISABLED:disabled": flavor.disabled,
        "os-flavor-access:is_public": flavor.is_public,
        "rxtx_factor": flavor.rxtx_factor,
    }
    if version >= (2, 61) and specs:
        shown["extra_specs"] = flavor.extra_specs
    return shown


def in_server(req: falcon.Request, flavor: Flavor, *, specs: bool) -> dict[str, Any]:
    """A server's flavor: the copy it was launched with, from 2.47 on."""
    if req.context.version < (2, 47):
        return {"id": flavor.id, "links": links.bookmark(req, f"flavors/{flavor.id}")}
    shown: dict[str, Any] = {
        "original_name": flavor.name,
        "vcpus": flavor.vcpus,
        "ram": flavor.memory_mb,
        "disk": flavor.root_gb,
        "ephemeral": flavor.ephemeral_gb,
        "swap": flavor.swap_mb,
    }
    if specs:
        shown["extra_specs"] = flavor.extra_specs
    return shown
