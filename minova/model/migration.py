"""A migration: one move of an instance to another size or host, until it is confirmed or undone.

`pre-migrating` (being scheduled), `migrating` (its guest is stopped and its
disks kept aside), `post-migrating` (it goes on where it is to be), `finished`
(the instance is RESIZED and waits), then `confirming` → `confirmed` or
`reverting` → `reverted`; `error` when it failed.
"""

import datetime as dt
from dataclasses import dataclass

from minova.common.wire import record
from minova.model.instance import Flavor

PRE_MIGRATING = "pre-migrating"
MIGRATING = "migrating"
POST_MIGRATING = "post-migrating"
FINISHED = "finished"
CONFIRMING = "confirming"
CONFIRMED = "confirmed"
REVERTING = "reverting"
REVERTED = "reverted"
ERROR = "error"
# While it is in one of these, its source may still hold disks of the instance.
OPEN = (PRE_MIGRATING, MIGRATING, POST_MIGRATING, FINISHED, CONFIRMING, REVERTING)

RESIZE = "resize"
COLD = "migration"
LIVE = "live-migration"
EVACUATION = "evacuation"


@record
@dataclass(frozen=True)
class Migration:
    """One row. The flavor numbers are the integer ids that clients see of flavors."""

    uuid: str
    instance_uuid: str
    project_id: str
    user_id: str
    migration_type: str
    status: str
    source_compute: str | None
    source_node: str | None
    old_flavor: Flavor
    new_flavor: Flavor
    old_flavor_number: int
    new_flavor_number: int
    old_vm_state: str
    created_at: dt.datetime
    dest_compute: str | None = None
    dest_node: str | None = None
    dest_host: str | None = None
    updated_at: dt.datetime | None = None
    id: int = 0

    @property
    def stays(self) -> bool:
        """Whether it ends on the host where it began."""
        return self.dest_compute == self.source_compute
