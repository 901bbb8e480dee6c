"""Work in flight, as it travels between conductor and compute.

An owner is `binary@host/incarnation`; the incarnation is new at each start,
so that a restarted process can tell its predecessor's work from its own.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from minova.common.wire import record


@record
@dataclass(frozen=True)
class Work:
    """One row. `stage` is where it stands; `request` what it needs besides the instance."""

    id: str
    instance_uuid: str
    action: str
    stage: str
    host: str | None
    owner: str | None
    lease_until: dt.datetime
    attempts: int
    request: dict[str, Any]
    context: dict[str, Any]
    action_id: int | None
    created_at: dt.datetime
