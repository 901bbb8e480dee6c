"""Resizes and cold migrations: off the host an instance leaves, onto the one it goes to, or back.

The work holds the `Migration` and the step it stands at, for each is done by
another host where the two differ. What fails is put back: the instance goes
on as it was. Until the migration is confirmed, its old disks stay on the
host it left.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from minova.common import errors
from minova.common.context import RequestContext
from minova.compute.actions.host import Host, Outcome, Unchanged
from minova.compute.build import connect_volume
from minova.model import states
from minova.model.instance import VIF, Instance, utcnow
from minova.model.migration import Migration
from minova.model.work import Work

LOG = logging.getLogger(__name__)
_TASKS: list[str | None] = [*states.ACTIONS["resize"].tasks]
_PREP, _MIGRATING, _MIGRATED, _FINISH = states.ACTIONS["resize"].tasks
_REVERTING = "resize_reverting"


@dataclass(frozen=True)
class _Move:
    """One step of a move, on this host."""

    host: Host
    ctxt: RequestContext
    instance: Instance
    work: Work

    @property
    def migration(self) -> Migration:
        migration: Migration = self.work.request["migration"]
        return migration

    @property
    def runs(self) -> bool:
        """Whether the guest is to run after it, as it did before."""
        return self.migration.old_vm_state == states.ACTIVE

    def advance(self, expected: list[str | None], task: str) -> None:
        self.host.conductor.advance(self.ctxt, self.work, self.host.owner, expected, task)

    def pass_on(self, step: str, task: str, *, there: bool, **request: Any) -> None:
        """The other host does `step`: that of the migration's end if `there`."""
        migration = self.migration
        self.host.conductor.pass_on(
            self.ctxt,
            self.work,
            self.host.owner,
            expected=[*_TASKS, _REVERTING],
            task_state=task,
            host=migration.dest_compute if there else migration.source_compute,
            node=migration.dest_node if there else migration.source_node,
            request={"step": step, **request},
        )

    def is_lost(self) -> bool:
        """Whether the instance is being deleted, or is no longer in this action."""
        try:
            now = self.host.conductor.instance_get(self.ctxt, self.instance.uuid)
        except errors.NotFound:
            return True
        return now.task_state not in (*_TASKS, _REVERTING)

    def connected(self, instance: Instance) -> Instance:
        """`instance` with its ports and volumes ready on this host."""
        vifs = [self._bound(instance, vif) for vif in instance.vifs]
        if vifs != instance.vifs:
            self.host.conductor.save_vifs(self.ctxt, instance.uuid, vifs)
        devices = []
        for device in instance.block_devices:
            if device.is_volume:
                there = connect_volume(self.host.volumes, device, instance, self.host.name)
                if there != device:
                    self.host.conductor.save_device(self.ctxt, there)
                device = there
            devices.append(device)
        return replace(instance, vifs=vifs, block_devices=devices)

    def _bound(self, instance: Instance, vif: VIF) -> VIF:
        bound = self.host.networks.bind_port(instance, vif.port_id, self.host.name, vif.tag)
        return replace(bound, created=vif.created)


def _leave(move: _Move) -> Outcome | None:
    """Stop the guest, and keep its disks for the way back."""
    migration = move.migration
    move.advance(_TASKS, _MIGRATING)
    try:
        cancelled = move.host.cancelled(move.instance.uuid)
        luggage = move.host.driver.migrate_out(
            move.instance, migration.uuid, migration.new_flavor, cancelled.is_set
        )
    except Exception as error:
        return _put_back(move, error)
    if migration.stays:
        move.advance([_MIGRATING], _MIGRATED)
        return _arrive(move, luggage)
    move.pass_on("arrive", _MIGRATED, there=True, luggage=luggage)
    return None


def _arrive(move: _Move, luggage: dict[str, Any]) -> Outcome | None:
    """Make the disks as large as the new flavor says, and let the guest go on."""
    try:
        instance = move.connected(replace(move.instance, flavor=move.migration.new_flavor))
    except Exception as error:
        return _not_arrived(move, error)
    move.advance([_MIGRATED, _FINISH], _FINISH)
    try:
        move.host.driver.migrate_in(instance, luggage, instance.vifs, start=move.runs)
    except Exception as error:
        return _not_arrived(move, error)
    return {"power_state": _power(move.runs), "launched_at": utcnow()}


def _not_arrived(move: _Move, error: Exception) -> Outcome | None:
    """This host cannot have it: back to where it was."""
    if move.migration.stays:
        return _put_back(move, error)
    if move.is_lost():
        raise error
    LOG.error("instance %s cannot go on here", move.instance.uuid, exc_info=error)
    move.host.driver.destroy(move.instance)
    move.pass_on("return", _MIGRATING, there=False, failure=_reason(error))
    return None


def _return(move: _Move) -> Outcome | None:
    """The host it went to could not have it."""
    return _put_back(move, errors.Unavailable(move.work.request["failure"]))


def _put_back(move: _Move, error: Exception) -> Outcome | None:
    """Let the instance go on as it was before the move; it failed for `error`."""
    if move.is_lost():
        raise error
    migration = move.migration
    LOG.error("instance %s stays as it was: %s", move.instance.uuid, _reason(error))
    instance = move.connected(replace(move.instance, flavor=migration.old_flavor))
    move.host.driver.revert_migration(instance, migration.uuid, instance.vifs, start=move.runs)
    raise Unchanged(_reason(error), migration.old_vm_state) from error


def _drop(move: _Move) -> Outcome | None:
    """The first half of a revert: what the instance has here, where it went."""
    if move.migration.stays:
        return _restore(move)
    move.host.driver.destroy(move.instance)
    move.pass_on("restore", _REVERTING, there=False)
    return None


def _restore(move: _Move) -> Outcome | None:
    """The second half: as it was, where it was."""
    migration = move.migration
    instance = move.connected(replace(move.instance, flavor=migration.old_flavor))
    move.host.driver.revert_migration(instance, migration.uuid, instance.vifs, start=move.runs)
    return {
        "vm_state": migration.old_vm_state,
        "power_state": _power(move.runs),
        "launched_at": utcnow(),
    }


def _confirm(move: _Move) -> Outcome | None:
    """Forget what the host that the instance left has kept of it."""
    migration = move.migration
    if migration.stays:
        move.host.driver.confirm_migration(move.instance, migration.uuid)
    else:
        move.host.driver.destroy(move.instance)
    stopped = move.instance.power_state == states.SHUTDOWN
    return {"vm_state": states.STOPPED if stopped else states.ACTIVE}


def _power(runs: bool) -> int:
    return states.RUNNING if runs else states.SHUTDOWN


def _reason(error: Exception) -> str:
    return getattr(error, "message", None) or "an unexpected error; see nova-compute's log"


_STEPS: dict[str, Callable[[_Move], Outcome | None]] = {
    "leave": _leave,
    "arrive": lambda move: _arrive(move, move.work.request["luggage"]),
    "return": _return,
    "drop": _drop,
    "restore": _restore,
    "confirm": _confirm,
}


def _starting(first: str) -> Callable[[Host, RequestContext, Instance, Work], Outcome | None]:
    def act(host: Host, ctxt: RequestContext, instance: Instance, work: Work) -> Outcome | None:
        step = str(work.request.get("step", first))
        return _STEPS[step](_Move(host, ctxt, instance, work))

    return act


ACTIONS = {
    "resize": _starting("leave"),
    "migrate": _starting("leave"),
    "confirmResize": _starting("confirm"),
    "revertResize": _starting("drop"),
}
