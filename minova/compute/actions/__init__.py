"""What nova-compute does to an instance that exists: one table, of each topic's own.

`ACTIONS` maps the action's name in the work to its function. Each is safe to
do again after a crash; its outcome goes through the conductor, and a failure
ends the action with its reason.
"""

from minova.compute.actions import (
    deleting,
    images,
    interfaces,
    password,
    power,
    rebuild,
    rescue,
    resize,
    shelving,
    sleep,
    volumes,
)
from minova.compute.actions.host import Act

__all__ = ["ACTIONS"]

ACTIONS: dict[str, Act] = {
    **deleting.ACTIONS,
    **images.ACTIONS,
    **interfaces.ACTIONS,
    **password.ACTIONS,
    **power.ACTIONS,
    **rebuild.ACTIONS,
    **rescue.ACTIONS,
    **resize.ACTIONS,
    **shelving.ACTIONS,
    **sleep.ACTIONS,
    **volumes.ACTIONS,
}
