"""nova-scheduler's RPC endpoint: steps 6 and 7 of a launch.

It takes the request, orders the hosts, and claims the first that still has
room: the claim, the host on the instance and the handing over of the work
are one transaction. Then the build is cast to that host's compute.
"""

import logging
import threading
import time
from contextlib import nullcontext
from dataclasses import replace

import oslo_messaging
from oslo_config import cfg

from minova.common import errors, tracing
from minova.common.context import RequestContext
from minova.compute.rpcapi import ComputeAPI
from minova.db import allocations, instances, server_groups
from minova.db.engine import Database
from minova.model import states
from minova.model.instance import Instance
from minova.model.migration import Migration
from minova.model.steps import step
from minova.model.work import Work
from minova.scheduler import moving
from minova.scheduler.drivers import DRIVERS, Candidates
from minova.scheduler.filters import Request
from minova.scheduler.host_state import HostState, all_hosts
from minova.scheduler.notices import Telling
from minova.scheduler.rpcapi import VERSION

LOG = logging.getLogger(__name__)
_TO_BE_MOVED = states.ACTIONS["resize"].tasks[0]


# Hints that name other servers.
_NEIGHBOURLY = ("same_host", "different_host")


class SchedulerManager:
    """The methods of `scheduler.rpcapi`, under the same names."""

    target = oslo_messaging.Target(version=VERSION)

    def __init__(self, db: Database) -> None:
        self._db = db
        self._compute = ComputeAPI()
        self._grouped = threading.Lock()

    def select_host(self, ctxt: RequestContext, work: Work, owner: str) -> str:
        uuid = work.instance_uuid
        with step(6, instance=uuid):
            waited = time.time() - (ctxt.sent_at or time.time())
            tracing.annotate(queued_ms=round(waited * 1000, 1))
            instance = instances.get(self._db, uuid)
            if instance.task_state != states.ACTIONS[work.action].tasks[0]:
                raise errors.Conflict(f"Instance {uuid} is no longer to be scheduled.")
        told = Telling(ctxt, instance, work)
        # Those of a group one by one: each has to see where the others went, or servers
        # launched together would all choose the same host, for all that the claim checks.
        alone = self._grouped if "group" in instance.scheduler_hints else nullcontext()
        with step(7, instance=uuid), alone:
            with told:
                host = self._claim(instance, work)
            tracing.annotate(host=host)
        cast = self._compute.build if work.action == "create" else self._compute.run
        cast(ctxt, host, work.id)
        return host

    def select_destination(self, ctxt: RequestContext, work: Work, owner: str) -> str:
        migration: Migration = work.request["migration"]
        instance = instances.get(self._db, work.instance_uuid)
        if instance.task_state != _TO_BE_MOVED:
            raise errors.Conflict(f"Instance {instance.uuid} is no longer to be moved.")
        wanted = replace(instance, flavor=migration.new_flavor)
        with Telling(ctxt, wanted, work):
            host = self._claim_move(wanted, work, migration)
        self._compute.run(ctxt, str(migration.source_compute), work.id)
        return host

    def _claim_move(self, instance: Instance, work: Work, migration: Migration) -> str:
        candidates = self._candidates(instance, work)
        refused = dict(candidates.refused)
        for candidate in moving.preferred(candidates.hosts, migration):
            reason = moving.refusal(candidate, migration)
            if reason is None and self._take_for_move(candidate, instance, work, migration):
                return candidate.host
            refused[candidate.host] = reason or "claim: no room left"
        raise errors.Conflict(_no_valid_host(refused))

    def _take_for_move(
        self, candidate: HostState, instance: Instance, work: Work, migration: Migration
    ) -> bool:
        return allocations.claim_move(
            self._db,
            instance,
            work,
            migration,
            candidate.host,
            candidate.node.hypervisor_hostname,
            candidate.node.host_ip,
            cfg.CONF.conductor.message_seconds,
        )

    def _claim(self, instance: Instance, work: Work) -> str:
        candidates = self._candidates(instance, work)
        refused = dict(candidates.refused)
        for candidate in candidates.hosts:
            if self._take(candidate, instance, work):
                return candidate.host
            refused[candidate.host] = "claim: no room left"
        for host, reason in refused.items():
            LOG.info("instance %s: host %s refused: %s", instance.uuid, host, reason)
        raise errors.Conflict(_no_valid_host(refused))

    def _candidates(self, instance: Instance, work: Work) -> Candidates:
        order = DRIVERS[cfg.CONF.scheduler.driver]
        group = None
        if "group" in instance.scheduler_hints:
            group = server_groups.placement(self._db, instance.uuid)
        neighbours = self._neighbours(instance)
        return order(all_hosts(self._db), Request.of(instance, work.request, group, neighbours))

    def _neighbours(self, instance: Instance) -> dict[str, str]:
        """Where the servers are that the hints name; those of another project are not seen."""
        plain = Request.of(instance, {})
        named = {uuid for hint in _NEIGHBOURLY for uuid in plain.named(hint)}
        return instances.hosts_of(self._db, named, instance.project_id) if named else {}

    def _take(self, candidate: HostState, instance: Instance, work: Work) -> bool:
        return allocations.claim(
            self._db,
            instance,
            work,
            candidate.host,
            candidate.node.hypervisor_hostname,
            cfg.CONF.conductor.message_seconds,
            zone=candidate.availability_zone,
        )


def _no_valid_host(refused: dict[str, str]) -> str:
    """Nova's words, and how many hosts each filter refused; host names stay in the log."""
    if not refused:
        return "No valid host was found. There is no compute host; start nova-compute on one."
    counts: dict[str, int] = {}
    for reason in refused.values():
        counts[reason] = counts.get(reason, 0) + 1
    said = "; ".join(f"{reason} ({count})" for reason, count in counts.items())
    return f"No valid host was found. {said}."
