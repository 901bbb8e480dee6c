"""Limits: the quota as what one may still do."""

from typing import Any

import falcon

from minova.api import paging
from minova.api.access import Access
from minova.api.microversions import MAX, MIN, Version
from minova.common.wsgi import Route
from minova.db import launches, quotas, server_groups

# name -> (quota it shows, first and last version that has it)
_LIMITS: dict[str, tuple[str, Version, Version]] = {
    "maxTotalInstances": ("instances", MIN, MAX),
    "maxTotalCores": ("cores", MIN, MAX),
    "maxTotalRAMSize": ("ram", MIN, MAX),
    "maxTotalKeypairs": ("key_pairs", MIN, MAX),
    "maxServerMeta": ("metadata_items", MIN, MAX),
    "maxImageMeta": ("metadata_items", MIN, (2, 38)),
    "maxServerGroups": ("server_groups", MIN, MAX),
    "maxServerGroupMembers": ("server_group_members", MIN, MAX),
    "maxPersonality": ("injected_files", MIN, (2, 56)),
    "maxPersonalitySize": ("injected_file_content_bytes", MIN, (2, 56)),
}
# Limits that became the network service's, and hold for nothing since.
_OF_THE_NETWORK = {
    "maxSecurityGroups": "security_groups",
    "maxSecurityGroupRules": "security_group_rules",
    "maxTotalFloatingIps": "floating_ips",
}
_USED_OF_THE_NETWORK = ("totalFloatingIpsUsed", "totalSecurityGroupsUsed")


class Limits:
    """The handler of /limits."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db

    def routes(self) -> list[Route]:
        return [Route("GET", "/v2.1/limits", self.index)]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /limits"""
        ctxt = self._access.check(req, "limits")
        project = str(ctxt.project_id)
        asked = paging.last(req, "tenant_id")
        if asked and asked != project:
            self._access.check(req, "limits:other_project", project_id=asked)
            project = asked
        with self._db.reading() as connection:
            limits = quotas.limits_on(connection, project)
            used = launches.usage(connection, project)
            groups = server_groups.count(connection, project)
        version: Version = req.context.version
        absolute = {
            name: limits[resource]
            for name, (resource, since, until) in _LIMITS.items()
            if since <= version <= until
        }
        absolute |= {
            "totalInstancesUsed": used["instances"],
            "totalCoresUsed": used["cores"],
            "totalRAMUsed": used["ram"],
            "totalServerGroupsUsed": groups,
        }
        if version < (2, 36):
            absolute |= {name: limits.get(key, -1) for name, key in _OF_THE_NETWORK.items()}
            absolute |= dict.fromkeys(_USED_OF_THE_NETWORK, 0)
        return {"limits": {"rate": [], "absolute": absolute}}
