"""nova-conductor's RPC endpoint: launches, and the computes' only way to the DB.

Each method is one plain call into `db` or `conductor.launch`; a compute
never sees more of the DB than these.
"""

import datetime as dt
from typing import Any

import oslo_messaging
from oslo_config import cfg

from minova.common.context import RequestContext
from minova.compute.rpcapi import ComputeAPI
from minova.conductor.auditing import Auditing
from minova.conductor.launch import Launcher
from minova.conductor.rpcapi import VERSION
from minova.db import (
    actions,
    console_tokens,
    hosts,
    instances,
    migration_list,
    moves,
    states,
    vifs,
    work,
)
from minova.db.engine import Database
from minova.db.vifs import bound
from minova.model.console import Grant
from minova.model.instance import VIF, BlockDevice, Instance
from minova.model.steps import step
from minova.model.work import Work


class ConductorManager:
    """The methods of `conductor.rpcapi`, under the same names."""

    target = oslo_messaging.Target(version=VERSION)

    def __init__(self, db: Database, launcher: Launcher) -> None:
        self._db = db
        self._launcher = launcher
        self._compute = ComputeAPI()
        self._auditing = Auditing(db)

    def launch(self, ctxt: RequestContext, work_id: str) -> None:
        self._launcher.launch(ctxt, work_id)

    def delete_unhosted(self, ctxt: RequestContext, work_id: str) -> None:
        self._launcher.delete_unhosted(ctxt, work_id)

    def reschedule(
        self, ctxt: RequestContext, work: Work, owner: str, message: str, details: str
    ) -> None:
        self._launcher.reschedule(ctxt, work, owner, message, details)

    def instance_to_build(self, ctxt: RequestContext, uuid: str) -> Instance:
        with step(10, instance=uuid):
            return instances.get(self._db, uuid)

    def instance_get(self, ctxt: RequestContext, uuid: str) -> Instance:
        return instances.get(self._db, uuid)

    def take_work(self, ctxt: RequestContext, work_id: str, owner: str, host: str) -> Work | None:
        lease = cfg.CONF.conductor.lease_seconds
        entry = work.take(self._db, work_id, owner, lease, stage="host", host=host)
        if entry is not None:
            states.taken(self._db, entry)
        return entry

    def renew_leases(self, ctxt: RequestContext, owner: str, ids: list[str]) -> None:
        work.renew(self._db, owner, ids, cfg.CONF.conductor.lease_seconds)

    def advance(
        self,
        ctxt: RequestContext,
        work_id: str,
        uuid: str,
        owner: str,
        expected: list[str | None],
        task_state: str | None,
        values: dict[str, Any],
    ) -> None:
        states.advance(self._db, work_id, owner, uuid, expected, task_state, **values)

    def finish(self, ctxt: RequestContext, work: Work, owner: str, outcome: dict[str, Any]) -> None:
        for host in states.finish(self._db, work, owner, **outcome):
            self._compute.forget(ctxt, host, work.instance_uuid)

    def fail(self, ctxt: RequestContext, work: Work, owner: str, outcome: dict[str, Any]) -> None:
        states.fail(self._db, work, owner, **outcome)

    def pass_on(
        self,
        ctxt: RequestContext,
        work: Work,
        owner: str,
        host: str,
        **values: Any,
    ) -> None:
        seconds = cfg.CONF.conductor.message_seconds
        moves.pass_on(self._db, work, owner, host=host, message_seconds=seconds, **values)
        self._compute.run(ctxt, host, work.id)

    def moving_from(self, ctxt: RequestContext, host: str) -> list[str]:
        return migration_list.leaving(self._db, host)

    def save_vifs(self, ctxt: RequestContext, uuid: str, vifs: list[VIF]) -> None:
        bound(self._db, uuid, vifs)

    def forget_vif(self, ctxt: RequestContext, uuid: str, port_id: str) -> None:
        vifs.forget(self._db, uuid, port_id)

    def save_device(self, ctxt: RequestContext, device: BlockDevice) -> None:
        instances.save_device(self._db, device)

    def remove_device(self, ctxt: RequestContext, device_id: str) -> None:
        instances.remove_device(self._db, device_id)

    def add_event(self, ctxt: RequestContext, action_id: int, event: str, **values: Any) -> None:
        actions.add_event(self._db, action_id, event, **values)

    def report_host(
        self, ctxt: RequestContext, host: str, incarnation: str, resources: dict[str, Any] | None
    ) -> None:
        hosts.report_service(self._db, host, "nova-compute", incarnation)
        if resources is not None:
            hosts.report_node(self._db, host, **resources)

    def host_instances(self, ctxt: RequestContext, host: str) -> list[Instance]:
        return instances.of_host(self._db, host)

    def host_work(self, ctxt: RequestContext, host: str) -> list[Work]:
        return work.of_host(self._db, host)

    def audit_usage(
        self, ctxt: RequestContext, host: str, begin: dt.datetime, end: dt.datetime
    ) -> bool:
        return self._auditing.is_done(host, (begin, end))

    def power_state_changed(
        self, ctxt: RequestContext, uuid: str, host: str, power_state: int
    ) -> None:
        states.power_state_seen(self._db, uuid, host, power_state)

    def use_console_token(self, ctxt: RequestContext, token_hash: str, host: str) -> Grant | None:
        return console_tokens.use(self._db, token_hash, host)
