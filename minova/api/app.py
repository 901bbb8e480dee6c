"""nova-api's one route table, and the WSGI application made of it."""

from collections.abc import Callable
from typing import Any

import falcon
from oslo_config import cfg

from minova.api import (
    console_auth_tokens,
    errors,
    microversions,
    notices,
    proxies,
    urls,
    versions,
)
from minova.api.access import Access
from minova.api.aggregates import Aggregates
from minova.api.assisted_snapshots import AssistedSnapshots
from minova.api.availability_zones import AvailabilityZones
from minova.api.calls import CALLS, check
from minova.api.console_auth_tokens import ConsoleAuthTokens
from minova.api.extensions import Extensions
from minova.api.external_events import ExternalEvents
from minova.api.flavor_extra_specs import FlavorExtraSpecs
from minova.api.flavors import Flavors
from minova.api.hosts import Hosts
from minova.api.hypervisors import Hypervisors
from minova.api.instance_actions import InstanceActions
from minova.api.interfaces import Interfaces
from minova.api.keypairs import KeyPairs
from minova.api.launch import Launcher
from minova.api.lifecycle import Lifecycle
from minova.api.limits import Limits
from minova.api.migrations import Migrations
from minova.api.proxies import volumes_boot
from minova.api.quota_sets import QuotaSets
from minova.api.remote_consoles import RemoteConsoles
from minova.api.security_groups import SecurityGroups
from minova.api.server_actions import ServerActions
from minova.api.server_details import ServerDetails
from minova.api.server_diagnostics import ServerDiagnostics
from minova.api.server_groups import ServerGroups
from minova.api.server_metadata import ServerMetadata
from minova.api.server_password import ServerPassword
from minova.api.server_tags import ServerTags
from minova.api.servers import Servers
from minova.api.services import Services
from minova.api.tenant_usage import TenantUsage
from minova.api.usage_audit_log import UsageAuditLog
from minova.api.volume_attachments import VolumeAttachments
from minova.common import faults, wsgi
from minova.common.auth import WSGIApp
from minova.common.context import RequestContext
from minova.common.wsgi import App, Route
from minova.db.engine import Database

# As Nova's oslo.middleware has it.
_MAX_BODY = 114688
Authenticate = Callable[[falcon.Request], RequestContext | None]


def routes(db: Database) -> list[Route]:
    """Every line of the compute API."""
    access = Access(db)
    lifecycle = Lifecycle(db)
    servers = [
        *Servers(access, Launcher(access), lifecycle).routes(),
        *ServerActions(access, lifecycle).routes(),
    ]
    return [
        *versions.routes(),
        *servers,
        *volumes_boot.routes(servers),
        *ServerDetails(access).routes(),
        *ServerDiagnostics(access, lifecycle).routes(),
        *ServerPassword(access).routes(),
        *ServerMetadata(access).routes(),
        *ServerTags(access).routes(),
        *VolumeAttachments(access, lifecycle).routes(),
        *Interfaces(access, lifecycle).routes(),
        *RemoteConsoles(access, lifecycle).routes(),
        *ConsoleAuthTokens(access).routes(),
        *SecurityGroups(access).routes(),
        *InstanceActions(access).routes(),
        *Migrations(access).routes(),
        *ExternalEvents(access, lifecycle).routes(),
        *Flavors(access).routes(),
        *FlavorExtraSpecs(access).routes(),
        *KeyPairs(access).routes(),
        *ServerGroups(access).routes(),
        *AvailabilityZones(access).routes(),
        *Hypervisors(access).routes(),
        *Services(access).routes(),
        *Aggregates(access).routes(),
        *Hosts(access).routes(),
        *AssistedSnapshots(access).routes(),
        *TenantUsage(access).routes(),
        *UsageAuditLog(access).routes(),
        *Limits(access).routes(),
        *QuotaSets(access).routes(),
        *Extensions(access).routes(),
        *proxies.routes(access),
    ]


def build(db: Database, authenticate: Authenticate | None = None) -> WSGIApp:
    """The compute API over `db`. With `authenticate` that decides who asks, not auth_token."""
    return wsgi.build(
        App(
            name="nova-api",
            routes=[check.guarded(notices.telling(r, db), CALLS) for r in routes(db)],
            dialect=faults.dialect,
            auth=authenticate is None,
            authenticate=authenticate,
            rewrite=urls.rewrite,
            before=_before,
            after=check.watcher(cfg.CONF.api.response_validation, CALLS),
            extra_families=errors.FAMILIES,
            max_body=_MAX_BODY,
            malformed="Malformed request body",
            token_step=_token_step,
            shown_path=console_auth_tokens.shown_path,
        )
    )


def _before(req: falcon.Request, resp: falcon.Response) -> None:
    resp.set_header("x-compute-request-id", req.context.ctxt.request_id)
    microversions.negotiate(req, resp)


def _token_step(environ: dict[str, Any]) -> int | None:
    """Validating the token of POST /servers is step 3 of a launch."""
    path = environ.get("PATH_INFO", "").rstrip("/")
    is_launch = environ["REQUEST_METHOD"] == "POST" and path.endswith("/servers")
    return 3 if is_launch else None
