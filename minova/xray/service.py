"""minova-xray: the collector of every process's spans."""

from pathlib import Path

import oslo_messaging
from oslo_config import cfg

from minova.common import rpc
from minova.common.context import RequestContext
from minova.common.service import RpcService, Service
from minova.xray.rpcapi import TOPIC, VERSION
from minova.xray.store import Store


class Collector:
    """The methods of `xray.rpcapi`, under the same names."""

    target = oslo_messaging.Target(version=VERSION)

    def __init__(self, store: Store) -> None:
        self._store = store

    def add_spans(self, ctxt: RequestContext, spans: str) -> None:
        self._store.add_packed(spans)


def services() -> list[Service]:
    """The collector, not started."""
    conf = cfg.CONF
    collector = Collector(Store(Path(conf.xray.store), conf.xray.max_spans))
    return [RpcService(lambda: rpc.serve("minova-xray", TOPIC, conf.host, [collector]))]
