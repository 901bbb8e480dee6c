"""Extensions: what v2 once had as such, and is part of v2.1 now."""

from typing import Any

import falcon

from minova.api.access import Access
from minova.common import errors
from minova.common.wsgi import Route

# alias -> name; each stands for a resource or an attribute that is here.
_KNOWN = {
    "NMN": "Multinic",
    "OS-DCF": "DiskConfig",
    "OS-EXT-AZ": "ExtendedAvailabilityZone",
    "OS-EXT-IPS": "ExtendedIps",
    "OS-EXT-IPS-MAC": "ExtendedIpsMac",
    "OS-EXT-SRV-ATTR": "ExtendedServerAttributes",
    "OS-EXT-STS": "ExtendedStatus",
    "OS-FLV-DISABLED": "FlavorDisabled",
    "OS-FLV-EXT-DATA": "FlavorExtraData",
    "OS-SCH-HNT": "SchedulerHints",
    "OS-SRV-USG": "ServerUsage",
    "flavors": "Flavors",
    "ips": "Ips",
    "limits": "Limits",
    "os-admin-actions": "AdminActions",
    "os-admin-password": "AdminPassword",
    "os-aggregates": "Aggregates",
    "os-attach-interfaces": "AttachInterfaces",
    "os-availability-zone": "AvailabilityZone",
    "os-block-device-mapping": "BlockDeviceMapping",
    "os-block-device-mapping-v2-boot": "BlockDeviceMappingV2Boot",
    "os-config-drive": "ConfigDrive",
    "os-console-auth-tokens": "ConsoleAuthTokens",
    "os-console-output": "ConsoleOutput",
    "os-consoles": "Consoles",
    "os-create-backup": "CreateBackup",
    "os-deferred-delete": "DeferredDelete",
    "os-extended-volumes": "ExtendedVolumes",
    "os-flavor-access": "FlavorAccess",
    "os-flavor-extra-specs": "FlavorExtraSpecs",
    "os-flavor-manage": "FlavorManage",
    "os-flavor-rxtx": "FlavorRxtx",
    "os-flavor-swap": "FlavorSwap",
    "os-floating-ip-pools": "FloatingIpPools",
    "os-floating-ips": "FloatingIps",
    "os-hosts": "Hosts",
    "os-hypervisors": "Hypervisors",
    "os-instance-actions": "InstanceActions",
    "os-keypairs": "Keypairs",
    "os-lock-server": "LockServer",
    "os-migrate-server": "MigrateServer",
    "os-migrations": "Migrations",
    "os-multiple-create": "MultipleCreate",
    "os-networks": "Networks",
    "os-pause-server": "PauseServer",
    "os-personality": "Personality",
    "os-quota-class-sets": "QuotaClasses",
    "os-quota-sets": "Quotas",
    "os-rescue": "Rescue",
    "os-security-groups": "SecurityGroups",
    "os-server-diagnostics": "ServerDiagnostics",
    "os-server-external-events": "ServerExternalEvents",
    "os-server-groups": "ServerGroups",
    "os-server-password": "ServerPassword",
    "os-server-start-stop": "ServerStartStop",
    "os-services": "Services",
    "os-shelve": "Shelve",
    "os-simple-tenant-usage": "SimpleTenantUsage",
    "os-suspend-server": "SuspendServer",
    "os-tenant-networks": "OSTenantNetworks",
    "os-used-limits": "UsedLimits",
    "os-user-data": "UserData",
    "os-volume-attachment-update": "VolumeAttachmentUpdate",
    "os-volumes": "Volumes",
    "server-metadata": "ServerMetadata",
    "servers": "Servers",
    "versions": "Versions",
}
_NAMESPACE = "http://docs.openstack.org/compute/ext/"


class Extensions:
    """The handlers of /extensions."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        return [
            Route("GET", "/v2.1/extensions", self.index),
            Route("GET", "/v2.1/extensions/{alias}", self.show),
        ]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /extensions"""
        self._access.check(req, "extensions")
        return {"extensions": [_shown(alias) for alias in _KNOWN]}

    def show(self, req: falcon.Request, resp: falcon.Response, alias: str) -> dict[str, Any]:
        """GET /extensions/{alias}"""
        self._access.check(req, "extensions")
        if alias not in _KNOWN:
            raise errors.NotFound("The resource could not be found.")
        return {"extension": _shown(alias)}


def _shown(alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": _KNOWN[alias],
        "description": f"{_KNOWN[alias]}, part of the compute API.",
        "links": [],
        "namespace": _NAMESPACE + alias,
        "updated": "2014-12-03T00:00:00Z",
    }
