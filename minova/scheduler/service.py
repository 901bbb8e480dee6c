"""minova-scheduler: the RPC server and the report that it lives."""

import uuid

from oslo_config import cfg

from minova.common import rpc
from minova.common.service import Periodic, RpcService, Service
from minova.db import hosts
from minova.db.engine import Database
from minova.scheduler.manager import SchedulerManager
from minova.scheduler.rpcapi import TOPIC

BINARY = "nova-scheduler"


def services() -> list[Service]:
    """The scheduler's parts, not started."""
    conf = cfg.CONF
    db = Database(conf.database.connection)
    manager = SchedulerManager(db)
    incarnation = str(uuid.uuid4())
    return [
        RpcService(lambda: rpc.serve(BINARY, TOPIC, conf.host, [manager])),
        Periodic(
            BINARY,
            "scheduler-report",
            conf.compute.report_interval,
            lambda: hosts.report_service(db, conf.host, BINARY, incarnation),
        ),
    ]
