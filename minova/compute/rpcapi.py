"""nova-compute's door, one per host: topic `compute`.

1.0: build, run, set_password, console_output, diagnostics, cache_images, forget

Every change is a cast naming work in flight: the work's row says what to
do, and recovery repeats a lost message.
"""

import logging

from minova.common import errors, rpc
from minova.common.context import RequestContext
from minova.model.diagnostics import Diagnostics

LOG = logging.getLogger(__name__)
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

    def diagnostics(self, ctxt: RequestContext, host: str, uuid: str) -> Diagnostics:
        """What a guest has used. A call of at most 20 s."""
        found: Diagnostics = self._client.call(
            ctxt, "diagnostics", server=host, timeout=20, uuid=uuid
        )
        return found

    def set_password(self, ctxt: RequestContext, host: str, work_id: str, password: str) -> None:
        """Do a changePassword now. A call of at most 60 s; errors.Conflict when it cannot be."""
        self._client.call(
            ctxt, "set_password", server=host, timeout=60, work_id=work_id, password=password
        )

    def console_base_url(self, ctxt: RequestContext, host: str, uuid: str, protocol: str) -> str:
        """Where clients reach the host's consoles of `protocol`. A call of at most 20 s.

        errors.Conflict while there is no guest.
        """
        url: str = self._client.call(
            ctxt, "console_base_url", server=host, timeout=20, uuid=uuid, protocol=protocol
        )
        return url

    def cache_images(self, ctxt: RequestContext, host: str, image_ids: list[str]) -> None:
        """Fetch images into the host's cache before somebody needs them. A cast."""
        self._client.cast(ctxt, "cache_images", server=host, image_ids=image_ids)

    def forget(self, ctxt: RequestContext, host: str, uuid: str) -> None:
        """Remove what is on `host` of a server that is gone, or another host's. A cast.

        A host to which it does not get finds out in its sweep.
        """
        try:
            self._client.cast(ctxt, "forget", server=host, uuid=uuid)
        except errors.Unavailable as error:
            LOG.warning("host %s is not told that %s is gone: %s", host, uuid, error.message)
