"""Aggregates and quotas on every database."""

import datetime as dt
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from minova.common import errors
from minova.common.context import RequestContext
from minova.db import aggregates, instances, launches, quotas, server_groups, usage
from minova.db.engine import Database
from minova.model import states as s
from minova.model.instance import Flavor, Instance, utcnow


def launch(
    db: Database, project: str, user: str, *, group: str | None = None, **placed: Any
) -> Instance:
    instance = Instance(
        uuid=str(uuid.uuid4()),
        name="vm",
        project_id=project,
        user_id=user,
        vm_state=s.BUILDING,
        task_state=s.SCHEDULING,
        power_state=s.NOSTATE,
        flavor=Flavor("1", "m1", 1, 64, 1),
        created_at=utcnow(),
        hostname="vm",
        reservation_id="r-1",
        **placed,
    )
    ctxt = RequestContext(user_id=user, project_id=project, overwrite=False)
    return launches.create(db, ctxt, [instance], lease_seconds=10, group=group)[0][0]


def an_aggregate(db: Database, zone: str | None = None) -> int:
    return aggregates.create(db, f"a-{uuid.uuid4().hex}", zone).id


def test_a_host_that_two_want_for_their_zones_is_in_one_of_them(db: Database) -> None:
    host = f"host-{uuid.uuid4().hex}"
    numbers = [an_aggregate(db, f"zone-{n}") for n in range(4)]

    def add(number: int) -> bool:
        try:
            aggregates.add_host(db, number, host)
        except errors.Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(add, numbers)).count(True) == 1
    plain = an_aggregate(db)
    assert aggregates.add_host(db, plain, host).hosts == [host]
    assert aggregates.zones(db)[host].startswith("zone-")


def test_a_host_with_servers_does_not_change_its_zone(db: Database) -> None:
    host = f"host-{uuid.uuid4().hex}"
    launch(db, uuid.uuid4().hex, "u", host=host)
    zoned, plain = an_aggregate(db, "east"), an_aggregate(db)
    with pytest.raises(errors.Conflict, match="contain instances"):
        aggregates.add_host(db, zoned, host)
    aggregates.add_host(db, plain, host)
    with pytest.raises(errors.Invalid, match="contain instances"):
        aggregates.set_metadata(db, plain, {aggregates.ZONE: "east"})
    assert aggregates.set_metadata(db, plain, {"ssd": "yes"}).metadata == {"ssd": "yes"}
    aggregates.remove_host(db, plain, host)
    with pytest.raises(errors.Conflict):
        aggregates.create(db, aggregates.get(db, plain).name, None)
    aggregates.delete(db, plain)
    with pytest.raises(errors.NotFound):
        aggregates.get(db, plain)


def test_limits_come_from_the_user_the_project_the_class_and_the_configuration(
    db: Database,
) -> None:
    project = uuid.uuid4().hex
    assert quotas.limits(db, project, "u") == quotas.configured()
    quotas.set_class_limits(db, quotas.DEFAULT_CLASS, {"instances": 7, "cores": 8})
    try:
        quotas.set_limits(db, project, {"instances": 3, "ram": 1})
        quotas.set_limits(db, project, {"instances": 2}, "u")
        for user, instances in ((None, 3), ("u", 2), ("other", 3)):
            found = quotas.limits(db, project, user)
            assert (found["instances"], found["cores"], found["ram"]) == (instances, 8, 1)
        assert quotas.limits(db, uuid.uuid4().hex)["instances"] == 7
        quotas.reset(db, project, "u")
        assert quotas.limits(db, project, "u")["instances"] == 3
        quotas.set_limits(db, project, {"instances": 2}, "u")
        quotas.reset(db, project)
        assert quotas.limits(db, project, "u")["instances"] == 7
    finally:
        quotas.set_class_limits(db, quotas.DEFAULT_CLASS, quotas.configured())


def test_a_user_has_his_own_share_of_the_projects_quota(db: Database) -> None:
    project = uuid.uuid4().hex
    quotas.set_limits(db, project, {"instances": 3})
    quotas.set_limits(db, project, {"instances": 1}, "careful")
    launch(db, project, "careful")
    with pytest.raises(errors.QuotaExceeded, match="already used 1 of 1 instances"):
        launch(db, project, "careful")
    launch(db, project, "other")
    launch(db, project, "other")
    with pytest.raises(errors.QuotaExceeded, match="already used 3 of 3 instances"):
        launch(db, project, "other")


def test_usage_is_of_those_that_ran_in_the_time_page_by_page(db: Database) -> None:
    project, now = uuid.uuid4().hex, utcnow()

    def ran(began: int, ended: int | None) -> str:
        """Launched and terminated so many hours ago."""
        times = {"launched_at": now - dt.timedelta(hours=began)}
        if ended is not None:
            times["terminated_at"] = times["deleted_at"] = now - dt.timedelta(hours=ended)
        return launch(db, project, "u", **times).uuid

    still, before, inside = ran(5, None), ran(9, 4), ran(3, 2)
    ran(9, 8)
    ran(1, None)
    launch(db, project, "u")
    start, end = now - dt.timedelta(hours=4, minutes=30), now - dt.timedelta(hours=1, minutes=30)
    wanted = sorted([still, before, inside])

    def page(limit: int, marker: str | None = None) -> list[str]:
        found = usage.within(db, start, end, project_id=project, limit=limit, marker=marker)
        return [server.uuid for server in found]

    assert page(10) == wanted
    assert page(2) == wanted[:2] and page(2, wanted[1]) == wanted[2:]
    assert page(2, wanted[2]) == []
    with pytest.raises(errors.Invalid, match="could not be found"):
        page(2, uuid.uuid4().hex)


def test_groups_are_listed_with_those_members_that_live(db: Database) -> None:
    project = uuid.uuid4().hex
    groups = [
        server_groups.create(
            db, name=name, project_id=project, user_id="u", policy="affinity", rules={}
        )
        for name in "ab"
    ]
    hint = {"scheduler_hints": {"group": groups[0].uuid}}
    living, gone = (
        launch(db, project, "u", **hint, group=groups[0].uuid),
        launch(db, project, "u", **hint, group=groups[0].uuid, deleted_at=utcnow()),
    )
    found = server_groups.find(db, project_id=project, limit=10)
    assert [(group.name, group.members) for group in found] == [("a", [living.uuid]), ("b", [])]
    assert [g.name for g in server_groups.find(db, project_id=project, limit=1, offset=1)] == ["b"]
    assert server_groups.group_of(db, gone.uuid) == groups[0].uuid
    server_groups.delete(db, groups[0].uuid)
    assert server_groups.group_of(db, living.uuid) is None
    assert server_groups.placement(db, living.uuid) is None
    with pytest.raises(errors.Invalid, match="could not be found"):
        launch(db, project, "u", **hint, group=groups[0].uuid)


def test_the_instances_of_hosts_are_found_at_once(db: Database) -> None:
    hosts = [uuid.uuid4().hex, uuid.uuid4().hex]
    project = uuid.uuid4().hex
    there = [launch(db, project, "u", host=host) for host in (*hosts, hosts[0])]
    launch(db, project, "u", host=hosts[0], deleted_at=utcnow())
    found = instances.on_hosts(db, [*hosts, "none"])
    assert found == {
        hosts[0]: [(there[0].id, there[0].uuid), (there[2].id, there[2].uuid)],
        hosts[1]: [(there[1].id, there[1].uuid)],
    }
