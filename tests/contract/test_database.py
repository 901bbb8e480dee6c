"""What the core relies on, on every database: claims, states, leases, quota.

The races run with real threads on real connections: nothing here can pass
by luck of one database's locking.
"""

import datetime as dt
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from oslo_config import cfg

from minova.common import errors
from minova.common.context import RequestContext
from minova.db import allocations, hosts, instances, launches, server_groups, states, work
from minova.db.engine import Database
from minova.model import states as s
from minova.model.instance import Flavor, Instance, utcnow

LEASE = 10.0
PROJECT = "p" * 32


@pytest.fixture
def ctxt() -> RequestContext:
    return RequestContext(user_id="u", project_id=PROJECT, roles=["member"], overwrite=False)


def an_instance(project: str = PROJECT, vcpus: int = 1, memory_mb: int = 64) -> Instance:
    return Instance(
        uuid=str(uuid.uuid4()),
        name="vm",
        project_id=project,
        user_id="u",
        vm_state=s.BUILDING,
        task_state=s.SCHEDULING,
        power_state=s.NOSTATE,
        flavor=Flavor("1", "m1", vcpus, memory_mb, 1),
        created_at=utcnow(),
        hostname="vm",
        reservation_id="r-1",
    )


def a_host(db: Database, **limits: int) -> str:
    name = f"host-{uuid.uuid4().hex[:8]}"
    values: dict[str, Any] = {
        "hypervisor_hostname": name,
        "hypervisor_type": "fake",
        "hypervisor_version": 1,
        "cpu_info": {},
        "accelerator": "",
        "accelerator_reason": "",
        "supported": [],
        "reserved_memory_mb": 0,
        "disk_available_gb": 100,
    }
    for resource, default in (("vcpus", 100), ("memory_mb", 10000), ("disk_gb", 1000)):
        values[resource] = values[f"{resource}_limit"] = limits.get(resource, default)
    hosts.report_service(db, name, "nova-compute", "i")
    hosts.report_node(db, name, **values)
    return name


def launched(db: Database, ctxt: RequestContext, **options: Any) -> tuple[Instance, Any]:
    project = options.pop("project", uuid.uuid4().hex)
    return launches.create(db, ctxt, [an_instance(project, **options)], lease_seconds=LEASE)[0]


def active(db: Database, ctxt: RequestContext) -> Instance:
    """An instance that has been placed, built and is idle."""
    instance, entry = launched(db, ctxt)
    host = a_host(db)
    assert allocations.claim(db, instance, entry, host, host, LEASE)
    states.finish(db, entry, None, launched_at=utcnow(), power_state=s.RUNNING)
    return instances.get(db, instance.uuid)


def together(count: int, act: Callable[[int], Any]) -> list[Any]:
    """Run `act(0..count-1)` at the same moment; results, or the domain errors raised."""
    barrier = threading.Barrier(count)

    def one(number: int) -> Any:
        barrier.wait(timeout=30)
        try:
            return act(number)
        except errors.MinovaError as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def node_of(db: Database, host: str) -> hosts.ComputeNode:
    return next(node for node in hosts.nodes(db) if node.host == host)


def test_an_instance_comes_back_as_it_went_in(db: Database, ctxt: RequestContext) -> None:
    wanted = an_instance(uuid.uuid4().hex)
    wanted = Instance(
        **{
            **vars(wanted),
            "metadata": {"minova.type": "Instance", "ü": "ß"},
            "user_data": "IyEvYmluL3No",
            "tags": ["a", "b"],
            "scheduler_hints": {"group": "x"},
        }
    )
    entered, _ = launches.create(db, ctxt, [wanted], lease_seconds=LEASE)[0]
    found = instances.get(db, wanted.uuid)
    assert found.id == entered.id > 0
    assert vars(found) | {"id": 0} == vars(wanted) | {"id": 0}


def test_racing_claims_never_overcommit_a_host(db: Database, ctxt: RequestContext) -> None:
    host = a_host(db, vcpus=3)
    wanted = [launched(db, ctxt) for _ in range(8)]
    won = together(8, lambda n: allocations.claim(db, *wanted[n], host, host, LEASE))
    assert won.count(True) == 3
    node = node_of(db, host)
    assert (node.vcpus_used, node.memory_mb_used, node.running_vms) == (3, 3 * 64, 3)


@pytest.mark.parametrize(("policy", "each"), [("anti-affinity", [1, 1]), ("affinity", [0, 4])])
def test_racing_claims_of_a_server_group_keep_its_policy(
    db: Database, ctxt: RequestContext, policy: str, each: list[int]
) -> None:
    two = [a_host(db), a_host(db)]
    project = uuid.uuid4().hex
    group = server_groups.create(
        db, name="g", project_id=project, user_id="u", policy=policy, rules={}
    )
    wanted = [
        Instance(**{**vars(an_instance(project)), "scheduler_hints": {"group": group.uuid}})
        for _ in range(4)
    ]
    entered = launches.create(db, ctxt, wanted, lease_seconds=LEASE, group=group.uuid)

    def claim(number: int) -> str | None:
        for host in (two[number % 2], two[1 - number % 2]):
            if allocations.claim(db, *entered[number], host, host, LEASE):
                return host
        return None

    won = together(4, claim)
    assert sorted(won.count(host) for host in two) == each
    assert sorted(node_of(db, host).running_vms for host in two) == each


def test_a_claim_of_a_deleted_instance_takes_nothing(db: Database, ctxt: RequestContext) -> None:
    host = a_host(db)
    instance, entry = launched(db, ctxt)
    states.begin(db, ctxt, instance.uuid, "delete", lease_seconds=LEASE)
    assert not allocations.claim(db, instance, entry, host, host, LEASE)
    assert node_of(db, host).vcpus_used == 0


def test_two_schedulers_place_a_launch_once(db: Database, ctxt: RequestContext) -> None:
    first, second = a_host(db), a_host(db)
    instance, entry = launched(db, ctxt)
    won = together(
        2, lambda n: allocations.claim(db, instance, entry, (first, second)[n], "n", LEASE)
    )
    assert sorted(won) == [False, True]
    assert node_of(db, first).running_vms + node_of(db, second).running_vms == 1


def test_of_racing_stops_one_begins_and_the_others_are_told(
    db: Database, ctxt: RequestContext
) -> None:
    instance = active(db, ctxt)
    outcome = together(
        5, lambda n: states.begin(db, ctxt, instance.uuid, "stop", lease_seconds=LEASE)
    )
    refused = [error for error in outcome if isinstance(error, errors.Conflict)]
    assert len(refused) == 4
    assert all(f"Cannot 'stop' instance {instance.uuid}" in error.message for error in refused)


def test_an_action_ends_with_state_record_and_work_at_once(
    db: Database, ctxt: RequestContext
) -> None:
    instance = active(db, ctxt)
    entry = states.begin(db, ctxt, instance.uuid, "stop", lease_seconds=LEASE)
    assert instances.get(db, instance.uuid).task_state == "powering-off"
    taken = work.take(db, entry.id, "c@h/1", LEASE)
    assert taken is not None
    states.finish(db, taken, "c@h/1", power_state=s.SHUTDOWN)
    after = instances.get(db, instance.uuid)
    assert (after.vm_state, after.task_state, after.power_state) == (s.STOPPED, None, s.SHUTDOWN)
    assert work.of_instance(db, instance.uuid) == []


def test_a_failed_launch_is_in_error_with_its_fault_and_holds_nothing(
    db: Database, ctxt: RequestContext
) -> None:
    host = a_host(db)
    instance, entry = launched(db, ctxt)
    assert allocations.claim(db, instance, entry, host, host, LEASE)
    states.fail(db, entry, None, code=500, message="x" * 400, details="trace", release=True)
    after = instances.get(db, instance.uuid)
    assert (after.vm_state, after.task_state, after.host) == (s.ERROR, None, None)
    assert after.fault is not None and after.fault.message == "x" * 255
    assert node_of(db, host).running_vms == 0


def test_deleting_frees_the_host_and_hides_the_instance(db: Database, ctxt: RequestContext) -> None:
    instance = active(db, ctxt)
    entry = states.begin(db, ctxt, instance.uuid, "delete", lease_seconds=LEASE)
    states.finish(db, entry, None)
    with pytest.raises(errors.NotFound):
        instances.get(db, instance.uuid)
    assert instances.get(db, instance.uuid, deleted=True).vm_state == s.DELETED
    assert node_of(db, str(instance.host)).running_vms == 0


def test_work_has_one_owner_until_its_lease_ends(db: Database, ctxt: RequestContext) -> None:
    _, entry = launched(db, ctxt)
    owners = [f"nova-conductor@h{n}/1" for n in range(5)]
    won = together(5, lambda n: work.take(db, entry.id, owners[n], LEASE))
    assert len([taken for taken in won if taken is not None]) == 1


def test_work_whose_owner_is_silent_is_taken_up(db: Database, ctxt: RequestContext) -> None:
    _, entry = launched(db, ctxt)
    assert work.take(db, entry.id, "nova-conductor@a/1", -1) is not None
    assert entry.id in {w.id for w in work.expired(db)}
    second = work.take(db, entry.id, "nova-conductor@b/1", LEASE)
    assert second is not None and second.attempts == 2
    assert work.take(db, entry.id, "nova-conductor@a/1", LEASE) is None


def test_a_restarted_process_takes_its_predecessors_work_at_once(
    db: Database, ctxt: RequestContext
) -> None:
    _, entry = launched(db, ctxt)
    assert work.take(db, entry.id, "nova-compute@h/old", LEASE) is not None
    assert work.take(db, entry.id, "nova-compute@h/new", LEASE) is not None


def test_a_restarted_conductor_finds_what_its_predecessor_left(
    db: Database, ctxt: RequestContext
) -> None:
    _, entry = launched(db, ctxt)
    assert work.take(db, entry.id, "nova-conductor@h9/old", LEASE) is not None
    assert entry.id not in {w.id for w in work.expired(db)}
    assert work.forsake_earlier(db, "nova-conductor@h9/new") == 1
    assert entry.id in {w.id for w in work.expired(db)}


def test_a_late_message_does_not_take_what_is_anothers_by_now(
    db: Database, ctxt: RequestContext
) -> None:
    instance, entry = launched(db, ctxt)
    host = a_host(db)
    assert allocations.claim(db, instance, entry, host, host, LEASE)
    conductor, compute = "nova-conductor@h/1", "nova-compute@elsewhere/1"
    assert work.take(db, entry.id, conductor, LEASE, stage="schedule") is None
    assert work.take(db, entry.id, compute, LEASE, stage="host", host="elsewhere") is None
    assert work.take(db, entry.id, compute, LEASE, stage="host", host=host) is not None


def test_of_many_that_notice_a_lost_message_one_sends_another(
    db: Database, ctxt: RequestContext
) -> None:
    instance = an_instance(uuid.uuid4().hex)
    _, entry = launches.create(db, ctxt, [instance], lease_seconds=-1)[0]
    assert sorted(together(5, lambda n: work.ask_again(db, entry.id, LEASE))) == [
        *([False] * 4),
        True,
    ]
    assert entry.id not in {w.id for w in work.expired(db)}


def test_from_a_delete_on_nothing_else_moves_the_instance(
    db: Database, ctxt: RequestContext
) -> None:
    """A build's work that outlived a failed delete brought the server back."""
    instance, entry = launched(db, ctxt)
    host = a_host(db)
    assert allocations.claim(db, instance, entry, host, host, LEASE)
    owner = f"nova-compute@{host}/1"
    assert work.take(db, entry.id, owner, LEASE) is not None
    deletion = states.begin(db, ctxt, instance.uuid, "delete", lease_seconds=LEASE)
    assert [w.id for w in work.of_instance(db, instance.uuid)] == [deletion.id]
    with pytest.raises(errors.Conflict):
        states.advance(db, entry.id, owner, instance.uuid, list(s.BUILD_TASKS), s.NETWORKING)
    states.finish(db, entry, owner, expected=[s.SPAWNING])
    states.fail(db, entry, owner, code=500, message="too late")
    now = instances.get(db, instance.uuid)
    assert (now.vm_state, now.task_state) == (s.BUILDING, s.DELETING)


def test_an_action_that_begins_beside_a_delete_leaves_no_work(
    db: Database, ctxt: RequestContext
) -> None:
    for _ in range(5):
        instance = active(db, ctxt)

        def delete_or_attach(number: int, uuid: str = instance.uuid) -> Any:
            if number:
                return states.begin(db, ctxt, uuid, "attach_volume", lease_seconds=LEASE)
            entry = states.begin(db, ctxt, uuid, "delete", lease_seconds=LEASE)
            return states.finish(db, entry, None)

        results = together(4, delete_or_attach)
        if isinstance(results[0], errors.Conflict):  # the API looks again, and so do we
            delete_or_attach(0)
        assert work.of_instance(db, instance.uuid) == []


def test_a_renewed_lease_does_not_run_out(db: Database, ctxt: RequestContext) -> None:
    _, entry = launched(db, ctxt)
    assert work.take(db, entry.id, "nova-compute@h/1", -1) is not None
    assert work.renew(db, "nova-compute@h/1", [entry.id], LEASE) == 1
    found = work.of_instance(db, entry.instance_uuid)[0]
    assert found.lease_until > utcnow() + dt.timedelta(seconds=LEASE / 2)


def test_an_owner_that_lost_its_work_cannot_write_the_outcome(
    db: Database, ctxt: RequestContext
) -> None:
    instance, entry = launched(db, ctxt)
    assert work.take(db, entry.id, "nova-compute@a/1", -1) is not None
    assert work.take(db, entry.id, "nova-compute@b/1", LEASE) is not None
    with pytest.raises(errors.Conflict):
        states.finish(db, entry, "nova-compute@a/1")
    assert instances.get(db, instance.uuid).vm_state == s.BUILDING


def test_racing_launches_stay_within_the_quota(db: Database, ctxt: RequestContext) -> None:
    project = uuid.uuid4().hex
    limit = cfg.CONF.quota.instances
    outcome = together(
        limit + 4,
        lambda n: launches.create(db, ctxt, [an_instance(project)], lease_seconds=LEASE),
    )
    refused = [error for error in outcome if isinstance(error, errors.QuotaExceeded)]
    assert len(refused) == 4
    assert refused[0].message == (
        f"Quota exceeded for instances: Requested 1, but already used {limit} of {limit} instances"
    )
