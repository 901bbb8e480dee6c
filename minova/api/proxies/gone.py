"""What Nova took away for good: these requests answer 410 at every version.

Source: the compute API reference's list of obsolete APIs.
"""

from typing import Any, NoReturn

import falcon

from minova.api.errors import Gone
from minova.common.wsgi import Route

# path → methods
GONE: dict[str, tuple[str, ...]] = {
    "/os-agents": ("GET", "POST"),
    "/os-agents/{id}": ("PUT", "DELETE"),
    "/os-cells": ("GET", "POST"),
    "/os-cells/sync_instances": ("POST",),
    "/os-cells/{id}": ("GET", "PUT", "DELETE"),
    "/os-cells/{id}/capacities": ("GET",),
    "/os-certificates": ("POST",),
    "/os-certificates/{id}": ("GET",),
    "/os-cloudpipe": ("GET", "POST"),
    "/os-cloudpipe/{id}": ("PUT",),
    "/os-fixed-ips/{id}": ("GET",),
    "/os-fixed-ips/{id}/action": ("POST",),
    "/os-floating-ip-dns": ("GET",),
    "/os-floating-ip-dns/{id}": ("PUT", "DELETE"),
    "/os-floating-ip-dns/{id}/entries/{name}": ("GET", "PUT", "DELETE"),
    "/os-floating-ips-bulk": ("GET", "POST"),
    "/os-floating-ips-bulk/{id}": ("GET", "PUT"),
    "/os-fping": ("GET",),
    "/os-fping/{id}": ("GET",),
    "/os-networks": ("POST",),
    "/os-networks/add": ("POST",),
    "/os-networks/{network_id}": ("DELETE",),
    "/os-networks/{network_id}/action": ("POST",),
    "/os-security-group-default-rules": ("GET", "POST"),
    "/os-security-group-default-rules/{id}": ("GET", "DELETE"),
    "/os-tenant-networks": ("POST",),
    "/os-tenant-networks/{network_id}": ("DELETE",),
    "/servers/{server_id}/consoles": ("GET", "POST"),
    "/servers/{server_id}/consoles/{id}": ("GET", "DELETE"),
    "/servers/{server_id}/os-virtual-interfaces": ("GET",),
}


def routes() -> list[Route]:
    """The lines of the route table."""
    return [
        Route(method, f"/v2.1{path}", gone) for path, methods in GONE.items() for method in methods
    ]


def gone(req: falcon.Request, resp: falcon.Response, **names: Any) -> NoReturn:
    """Whatever it was."""
    raise Gone("This resource is no longer available.  No forwarding address is given.")
