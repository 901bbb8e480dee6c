"""Live migration and evacuation: checked as everywhere, and then refused for want of a host.

A guest that runs can only go where its disks are, and a host that has failed
keeps the disks of its guests: this cloud's hosts share nothing.
"""

import secrets
import string
from typing import Any

from oslo_config import cfg

from minova.api.actions.row import Action, Call, Tools
from minova.api.schemas import moves as schemas
from minova.api.validation import boolean
from minova.common import errors
from minova.db import hosts, moves, states
from minova.model import migration as migrations
from minova.model.instance import Instance

_NO_VALID_HOST = "No valid host was found. There are not enough hosts available."
# From here on the answer does not wait for what the migration's checks say.
_ASYNCHRONOUS = (2, 34)
_WITHOUT_STORAGE = (2, 14)


def _migrate_live(tools: Tools, call: Call) -> None:
    wanted, instance = call.value, call.instance
    host = wanted["host"]
    if host:
        tools.access.check(call.req, "os-migrate-server:migrate_live:host")
    elif boolean(wanted.get("force", False)):
        raise errors.Invalid("Can't force to a non-provided destination")
    states.check(call.ctxt, instance, "live-migration", word="os-migrateLive")
    if host and all(node.host != host for node in hosts.nodes(tools.db)):
        raise errors.Invalid(f"Compute host {host[:64]} could not be found.")
    message = _NO_VALID_HOST
    if host and host == instance.host:
        message = f"Unable to migrate instance ({instance.uuid}) to current host ({host})."
    moves.refused(
        tools.db,
        call.ctxt,
        instance,
        "live-migration",
        kind=migrations.LIVE,
        message=message,
        word="os-migrateLive",
    )
    if call.version < _ASYNCHRONOUS:
        raise errors.Invalid(message)


def _evacuate(tools: Tools, call: Call) -> dict[str, Any] | None:
    wanted, instance = call.value, call.instance
    host = wanted.get("host")
    shared = boolean(wanted.get("onSharedStorage", False))
    if shared and "adminPass" in wanted:
        raise errors.Invalid("admin password can't be changed on existing disk")
    if host is None and boolean(wanted.get("force", False)):
        raise errors.Invalid("Can't force to a non-provided destination")
    if host is not None:
        if not hosts.services(tools.db, host=host, binary="nova-compute"):
            raise errors.NotFound(f"Compute host {host[:64]} not found.")
        if host == instance.host:
            raise errors.Invalid("The target host can't be the same one.")
    states.check(call.ctxt, instance, "evacuate")
    if _is_up(tools, instance):
        raise errors.Invalid(f"Compute service of {instance.host} is still in use.")
    moves.refused(
        tools.db,
        call.ctxt,
        instance,
        "evacuate",
        kind=migrations.EVACUATION,
        message=_NO_VALID_HOST,
        word="evacuate",
        fault=True,
    )
    if call.version >= _WITHOUT_STORAGE or shared:
        return None
    return {"adminPass": wanted.get("adminPass") or _password()}


def _is_up(tools: Tools, instance: Instance) -> bool:
    found = hosts.services(tools.db, host=instance.host, binary="nova-compute")
    return any(service.is_up(cfg.CONF.compute.service_down_time) for service in found)


def _password() -> str:
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(12))


ACTIONS = {
    "os-migrateLive": Action(_migrate_live, "os-migrate-server:migrate_live", schemas.MIGRATE_LIVE),
    "evacuate": Action(_evacuate, "os-evacuate", schemas.EVACUATE, status=200),
}
