"""nova-compute's door, one per host: topic `compute`.

1.0: build, run, console_output

Every change is a cast naming work in flight: the work's row says what to
do, and recovery repeats a lost message.
"""

from minova.common import rpc
from minova.common.context import RequestContext

TOPIC = "compute"
VERSION = "1.0"


class ComputeAPI:
    """What conductor and API ask of a host's nova-compute."""

    def __init__(self) -> None:
        self._client = rpc.Client(TOPIC, VERSION)

    def build(self, ctxt: RequestContext, host: str, work_id: str) -> None:
        """Step 8: build the instance of this work on `host`. A cast."""
        self._client.cast(ctxt, "build", server=host, work_id=work_id)

    def run(self, ctxt: RequestContext, host: str, work_id: str) -> None:
        """Do the action of this work (delete, stop, reboot, attach_volume, …). A cast."""
        self._client.cast(ctxt, "run", server=host, work_id=work_id)

    def console_output(self, ctxt: RequestContext, host: str, uuid: str, lines: int | None) -> str:
        """The last `lines` of the console (None: about 100 KiB). A call of at most 20 s."""
        output: str = self._client.call(
            ctxt, "console_output", server=host, timeout=20, uuid=uuid, lines=lines
        )
        return output
