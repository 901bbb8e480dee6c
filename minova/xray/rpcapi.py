"""The collector's door: topic `xray`.

1.0: add_spans
"""

import json
from collections.abc import Iterable

from minova.common import rpc
from minova.common.context import RequestContext
from minova.xray.record import SpanRecord

TOPIC = "xray"
VERSION = "1.0"


class XrayAPI:
    """What every process tells the collector."""

    def __init__(self) -> None:
        self._client = rpc.Client(TOPIC, VERSION)

    def add_spans(self, ctxt: RequestContext, spans: list[SpanRecord]) -> None:
        """Spans that started or ended. A cast; lost ones are lost."""
        self._client.cast(ctxt, "add_spans", spans=packed(spans))


def packed(spans: Iterable[SpanRecord]) -> str:
    """Spans as one text: a launch has a hundred, and a tagged dict each would cost more than it."""
    return json.dumps(list(spans))
