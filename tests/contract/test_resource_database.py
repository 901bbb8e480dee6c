"""Aggregates and quotas on every database."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from minova.common import errors
from minova.common.context import RequestContext
from minova.db import aggregates, launches, quotas
from minova.db.engine import Database, migrate
from minova.model import states as s
from minova.model.instance import Flavor, Instance, utcnow
from tests import databases
from tests.configuration import configure


@pytest.fixture(params=databases.available(), scope="module")
def db(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    configure()
    with databases.fresh(request.param, tmp_path_factory.mktemp("db")) as url:
        migrate(url, "minova.db.migrations")
        database = Database(url)
        yield database
        database.dispose()


def launch(db: Database, project: str, user: str, **placed: Any) -> Instance:
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
    return launches.create(db, ctxt, [instance], lease_seconds=10)[0][0]


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
