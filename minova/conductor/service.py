"""minova-conductor: the RPC server, the recovery, and the report that it lives."""

import uuid

from oslo_config import cfg

from minova.common import rpc
from minova.common.service import Periodic, RpcService, Service
from minova.conductor.launch import Launcher
from minova.conductor.manager import ConductorManager
from minova.conductor.reclaim import Reclaimer
from minova.conductor.recover import Recovery
from minova.conductor.rpcapi import TOPIC
from minova.conductor.shelving import Shelving
from minova.conductor.unentered import Unentered
from minova.db import hosts
from minova.db.engine import Database

BINARY = "nova-conductor"
# Between two looks for resizes that nobody confirms.
_UNCONFIRMED_SECONDS = 10


def services() -> list[Service]:
    """The conductor's parts, not started."""
    conf = cfg.CONF
    db = Database(conf.database.connection)
    launcher = Launcher(db, conf.host)
    manager = ConductorManager(db, launcher)
    incarnation = str(uuid.uuid4())
    reclaimer = Reclaimer(db)
    return [
        RpcService(lambda: rpc.serve(BINARY, TOPIC, conf.host, [manager])),
        Periodic(BINARY, "conductor-leases", conf.conductor.lease_seconds / 3, launcher.renew),
        Periodic(
            BINARY, "recovery", conf.conductor.recovery_interval, Recovery(db, launcher).sweep
        ),
        Periodic(
            BINARY,
            "unconfirmed",
            min(_UNCONFIRMED_SECONDS, conf.compute.resize_confirm_window or _UNCONFIRMED_SECONDS),
            launcher.confirm_overdue,
        ),
        Periodic(BINARY, "unentered", conf.conductor.recovery_interval, Unentered(db).sweep),
        Periodic(BINARY, "reclaim", reclaimer.interval, reclaimer.sweep, delay=True),
        Periodic(
            BINARY, "shelved", conf.compute.shelved_poll_interval, Shelving(db).offload_overdue
        ),
        Periodic(
            BINARY,
            "conductor-report",
            conf.compute.report_interval,
            lambda: hosts.report_service(db, conf.host, BINARY, incarnation),
        ),
    ]
