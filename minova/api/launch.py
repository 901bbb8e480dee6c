"""Launching: everything POST /servers decides, steps 2 to 5 of the walk.

Step 4 checks what was asked for against the other services, with the
caller's own rights, and then enters the instances into the DB: quota,
instances, actions and work in flight in one transaction. Step 5 casts each
launch to the conductor. From the transaction on the DB is the truth: a lost
cast is repeated by recovery.
"""

import logging
import re
import secrets
import string
import unicodedata
import uuid
from dataclasses import dataclass
from typing import Any

import falcon
from oslo_config import cfg

from minova.api import availability_zones, launch_checks, launch_devices, launch_networks
from minova.api.access import Access
from minova.api.validation import address, boolean
from minova.common import errors, tracing
from minova.common.context import RequestContext
from minova.common.undo import Undo
from minova.conductor.rpcapi import ConductorAPI
from minova.db import flavors, hosts, launches, quotas, server_groups, unentered
from minova.model import hardware, states, steps
from minova.model.instance import Flavor, Instance, utcnow
from minova.model.work import Work

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Launched:
    """What a POST made: the servers, and the password the answer shows once."""

    instances: list[Instance]
    reservation_id: str
    admin_password: str


class Launcher:
    """Decides launches for nova-api."""

    def __init__(self, access: Access) -> None:
        self._access, self._db = access, access.db
        self._conductor = ConductorAPI()

    def launch(self, req: falcon.Request, body: dict[str, Any]) -> Launched:
        """Check and enter what the body asks for, and cast it to the conductor.

        Raises errors.Invalid, Forbidden or Conflict in Nova's words; nothing
        is left behind then.
        """
        ctxt: RequestContext = req.context.ctxt
        wanted = body["server"]
        least, most = _counts(wanted)
        if most > 1 and wanted.get("hostname"):
            raise errors.Invalid("Unable to allocate a single hostname to multiple instances")
        uuids = [str(uuid.uuid4()) for _ in range(most)]
        tracing.annotate(
            step=2, instance=uuids[0], server_name=wanted["name"], audit_id=_audit_id(req)
        )
        with steps.step(4, instance=uuids[0]), Undo() as undo:
            asked = self._instance(req, wanted, most)
            asked.scheduler_hints.update(_hints(body))
            self._check_group(req, asked)
            each = [_numbered(asked, wanted, i, uuids) for i in range(most)]
            if launch_devices.makes_volumes(asked):
                # Not a volume is made for a server that the quota has no room for.
                each = each[: launches.room_for(self._db, each, least)]
            announced = any(device.is_volume for device in asked.block_devices)
            if announced:
                self._announce([one.uuid for one in each], undo)
            each = [launch_devices.reserved(ctxt, one, undo) for one in each]
            entered = self._enter(req, wanted, each, least, announced)
            undo.clear()
            left_out = each[len(entered) :]
            for one in left_out:
                launch_devices.discard(one)
            unentered.give_up(self._db, [one.uuid for one in left_out])
        self._cast(ctxt, entered)
        return Launched(
            instances=[instance for instance, _ in entered],
            reservation_id=asked.reservation_id,
            admin_password=wanted.get("adminPass") or _password(),
        )

    def _announce(self, uuids: list[str], undo: Undo) -> None:
        """Say that they get volumes, for whoever has to clear away should this process die."""
        undo.push(unentered.give_up, self._db, uuids)
        unentered.announce(self._db, uuids, cfg.CONF.conductor.entering_seconds)

    def _instance(self, req: falcon.Request, wanted: dict[str, Any], most: int) -> Instance:
        """What every one of the servers has in common, checked."""
        ctxt: RequestContext = req.context.ctxt
        launch_checks.plain(wanted)
        flavor = self._flavor(req, str(wanted["flavorRef"]))
        image = launch_checks.image(ctxt, wanted.get("imageRef"))
        devices = launch_devices.checked(wanted, image, flavor, ctxt, most)
        hardware.check(flavor, devices.image_properties)
        local = None if devices.boots_from_volume else image
        launch_checks.fit(self._access, req, flavor, local)
        network = launch_networks.checked(req, wanted, most)
        key = launch_checks.key(self._db, ctxt, wanted.get("key_name"))
        files = self._within_quota(ctxt, wanted)
        zone, _, _ = self._place(req, wanted)
        return Instance(
            uuid="",
            name=wanted["name"].strip(),
            project_id=str(ctxt.project_id),
            user_id=str(ctxt.user_id),
            vm_state=states.BUILDING,
            task_state=states.SCHEDULING,
            power_state=states.NOSTATE,
            flavor=flavor,
            created_at=utcnow(),
            image_id=local.id if local is not None else None,
            image_properties=devices.image_properties,
            key_name=key.name if key else None,
            key_data=key.public_key if key else None,
            user_data=launch_checks.user_data(wanted.get("user_data")),
            injected_files=files,
            config_drive=boolean(wanted.get("config_drive", False)),
            metadata=dict(wanted.get("metadata") or {}),
            tags=list(dict.fromkeys(wanted.get("tags") or [])),
            description=_description(req, wanted),
            requested_zone=zone,
            reservation_id="r-" + _random(string.ascii_lowercase + string.digits, 8),
            root_device_name=devices.root_name,
            access_ip_v4=address(wanted.get("accessIPv4")),
            access_ip_v6=address(wanted.get("accessIPv6")),
            disk_config=wanted.get("OS-DCF:diskConfig", "MANUAL"),
            requested_networks=network.networks,
            security_groups=network.group_ids,
            security_group_names=network.group_names,
            block_devices=devices.devices,
        )

    def _flavor(self, req: falcon.Request, reference: str) -> Flavor:
        flavor_id = reference.rstrip("/").rpartition("/")[2]
        every = self._access.allows(req, "os-flavor-access")
        project = None if every else str(req.context.ctxt.project_id)
        try:
            flavor = flavors.get(self._db, flavor_id, project_id=project)
        except errors.NotFound as error:
            raise errors.Invalid(error.message) from None
        if flavor.disabled:
            raise errors.Invalid(flavors.not_found(flavor_id).message)
        return flavor

    def _within_quota(
        self, ctxt: RequestContext, wanted: dict[str, Any]
    ) -> list[dict[str, str]] | None:
        """The injected files, if they and the metadata are no more than one server may have."""
        metadata, files = wanted.get("metadata"), wanted.get("personality")
        if not metadata and not files:
            return None
        limits = quotas.limits(self._db, str(ctxt.project_id), str(ctxt.user_id))
        launch_checks.metadata_quota(limits, metadata or {})
        return launch_checks.injected_files(limits, files)

    def _place(
        self, req: falcon.Request, wanted: dict[str, Any]
    ) -> tuple[str | None, str | None, str | None]:
        """The zone, host and node asked for; a host only by admins."""
        zone, host, node = _spelled_out(wanted.get("availability_zone") or "")
        if host or node:
            self._access.check(req, "servers:create:forced_host")
        named = wanted.get("host"), wanted.get("hypervisor_hostname")
        if any(named):
            self._access.check(req, "servers:create:requested_destination")
            if host or node:
                raise errors.Invalid(
                    "One mechanism with host and/or hypervisor_hostname and another mechanism "
                    "with zone:host:node are mutually exclusive."
                )
            host, node = named
        if zone and zone not in availability_zones.available(self._db):
            raise errors.Invalid("The requested availability zone is not available")
        if host or node:
            known = hosts.nodes(self._db)
            if host and all(n.host != host for n in known):
                raise errors.Invalid(f"Compute host {host[:64]} could not be found.")
            if node and all(n.hypervisor_hostname != node for n in known):
                raise errors.Invalid(f"Hypervisor {node[:64]} could not be found.")
        return zone or None, host or None, node or None

    def _check_group(self, req: falcon.Request, asked: Instance) -> None:
        """The hint `group` names a server group that the request sees; errors.Invalid."""
        wanted = asked.scheduler_hints.get("group")
        if wanted is None:
            return
        try:
            group = server_groups.get(self._db, str(wanted))
        except errors.NotFound as error:
            raise errors.Invalid(error.message) from None
        if group.project_id != asked.project_id and not self._access.privileged(req):
            raise errors.Invalid(server_groups.not_found(group.uuid).message)

    def _enter(
        self,
        req: falcon.Request,
        wanted: dict[str, Any],
        each: list[Instance],
        least: int,
        announced: bool,
    ) -> list[tuple[Instance, Work]]:
        _, host, node = self._place(req, wanted)
        forced = ":" in (wanted.get("availability_zone") or "")
        request = {"requested_host": host, "requested_node": node, "forced": forced}
        return launches.create(
            self._db,
            req.context.ctxt,
            each,
            lease_seconds=cfg.CONF.conductor.message_seconds,
            minimum=least,
            request={key: value for key, value in request.items() if value},
            group=each[0].scheduler_hints.get("group"),
            announced=announced,
        )

    def _cast(self, ctxt: RequestContext, entered: list[tuple[Instance, Work]]) -> None:
        for instance, work in entered:
            with steps.step(5, instance=instance.uuid, server_name=instance.name):
                try:
                    self._conductor.launch(ctxt, work.id)
                except Exception:
                    # The work is in the DB; recovery casts it when its lease runs out.
                    LOG.exception("instance %s: cannot cast its launch", instance.uuid)


def _spelled_out(zone: str) -> tuple[str, str | None, str | None]:
    """Zone, host and node of `zone:host:node`; errors.Invalid."""
    parts = zone.split(":")
    if len(parts) > 3:
        raise errors.Invalid(f"Unable to parse availability_zone: {zone[:64]}")
    name, host, node = [*parts, "", ""][:3]
    return name, host or None, node or None


def _audit_id(req: falcon.Request) -> str | None:
    """Of the token: what finds the login (step 1) of this launch."""
    token = req.env.get("keystone.token_info") or {}
    ids = (token.get("token") or {}).get("audit_ids") or [None]
    return None if ids[0] is None else str(ids[0])


def _counts(wanted: dict[str, Any]) -> tuple[int, int]:
    least = int(wanted.get("min_count", 1))
    most = int(wanted.get("max_count", least))
    if least > most:
        raise errors.Invalid("min_count must be <= max_count")
    limit: int = cfg.CONF.api.max_limit
    if most > limit:
        raise errors.Invalid(f"max_count must be <= {limit}; launch fewer at a time.")
    return least, most


def _hints(body: dict[str, Any]) -> dict[str, Any]:
    hints = body.get("OS-SCH-HNT:scheduler_hints") or body.get("os:scheduler_hints") or {}
    # Names with an underscore in front are the scheduler's own (CVE-2026-46448).
    return {key: value for key, value in hints.items() if not key.startswith("_")}


def _description(req: falcon.Request, wanted: dict[str, Any]) -> str | None:
    if "description" in wanted:
        description: str | None = wanted["description"]
        return description
    # Before 2.19 the name stood in for what could not be said.
    return None if req.context.version >= (2, 19) else wanted["name"]


def _numbered(asked: Instance, wanted: dict[str, Any], index: int, uuids: list[str]) -> Instance:
    """The server number `index`: its own uuid and, when there are several, name and hostname."""
    several = len(uuids) > 1
    name = f"{asked.name}-{index + 1}" if several else asked.name
    hostname = wanted.get("hostname")
    return Instance(
        **{
            **vars(asked),
            "uuid": uuids[index],
            "name": name[:255],
            "hostname": hostname or default_hostname(name, uuids[index]),
            "launch_index": index,
        }
    )


def default_hostname(name: str, server_id: str) -> str:
    """A hostname out of a server's name, or of its id when nothing of the name is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    plain = re.sub(r"[ _.]", "-", plain)
    plain = re.sub(r"[^a-zA-Z0-9-]+", "", plain).lower()[:63].strip("-")
    return plain or f"server-{server_id}"


def _password() -> str:
    return _random(string.ascii_letters + string.digits, 12)


def _random(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))
