"""What nova-api asks of its database, on every database: schema, lists, catalogue, labels."""

import datetime as dt
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from minova.common import errors
from minova.common.context import RequestContext
from minova.db import flavors, instances, keypairs, launches, server_labels, server_list, vifs
from minova.db.engine import Database
from minova.db.server_list import SORT_KEYS, Filters, Page
from minova.model import states as s
from minova.model.instance import VIF, BlockDevice, FixedIP, Flavor, Instance, utcnow

PROJECT = "p" * 32
SIZE = Flavor("1", "m1", 1, 64, 1)


def entered(db: Database, *wanted: Instance) -> list[Instance]:
    ctxt = RequestContext(user_id="u", project_id=wanted[0].project_id, overwrite=False)
    made = launches.create(db, ctxt, list(wanted), lease_seconds=10)
    return [instance for instance, _ in made]


def an_instance(name: str, **values: Any) -> Instance:
    plain = Instance(
        uuid=str(uuid.uuid4()),
        name=name,
        project_id=PROJECT,
        user_id="u",
        vm_state=s.ACTIVE,
        task_state=None,
        power_state=s.RUNNING,
        flavor=SIZE,
        created_at=utcnow(),
        hostname=name,
        reservation_id="r-1",
    )
    return replace(plain, **values)


@pytest.fixture(scope="module")
def fleet(db: Database) -> list[Instance]:
    project = uuid.uuid4().hex
    start = dt.datetime(2026, 1, 1, 12, 0, 0, 123456, tzinfo=dt.UTC)
    vif = VIF("p1", "n1", "private", "fa:16:3e:00:00:01", "tap", "br", 1500)
    vif = replace(vif, fixed_ips=[FixedIP("10.0.0.7", "10.0.0.0/24")])
    wanted = [
        an_instance("web-1", created_at=start),
        an_instance("web-2", created_at=start, task_state="rebooting_hard", host="h1"),
        an_instance("db%1", created_at=start + dt.timedelta(seconds=1), vm_state=s.STOPPED),
        an_instance(
            "é web_3",
            created_at=start + dt.timedelta(seconds=2),
            vifs=[vif],
            tags=["blue"],
            launched_at=start,
            requested_zone="mars",
        ),
    ]
    return entered(db, *(replace(instance, project_id=project) for instance in wanted))


def found(db: Database, fleet: list[Instance], page: Page | None = None, **filters: Any) -> str:
    """The names a list shows, in its order; the same whether short or with details."""
    wanted = Filters(**filters)
    wanted.equal = {"project_id": [fleet[0].project_id], **wanted.equal}
    page = page or Page(limit=100)
    names = [name for _, name in server_list.names(db, wanted, page)]
    assert names == [instance.name for instance in server_list.servers(db, wanted, page)]
    return ", ".join(names)


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({}, "é web_3, db%1, web-2, web-1"),
        ({"name": "web"}, "é web_3, web-2, web-1"),
        ({"name": "^web-[12]$"}, "web-2, web-1"),
        ({"name": "b_3"}, "é web_3"),
        ({"name": "db%"}, "db%1"),
        ({"matching": {"hostname": "^web-[12]$"}}, "web-2, web-1"),
        ({"matching": {"reservation_id": "nothing-like-it"}}, ""),
        ({"soft_deleted": True}, "é web_3, db%1, web-2, web-1"),
        ({"deleted": True, "soft_deleted": False}, ""),
        ({"equal": {"vm_state": ["stopped", "paused"]}}, "db%1"),
        ({"equal": {"host": ["h1"]}}, "web-2"),
        ({"equal": {"task_state": [None]}}, "é web_3, db%1, web-1"),
        ({"equal": {"locked": [False]}}, "é web_3, db%1, web-2, web-1"),
        ({"equal": {"power_state": [4]}}, ""),
        ({"statuses": s.states_of("ACTIVE")}, "é web_3, web-1"),
        ({"statuses": s.states_of("HARD_REBOOT")}, "web-2"),
        ({"statuses": s.states_of("SHUTOFF")}, "db%1"),
        ({"statuses": []}, ""),
        ({"zone": "mars", "default_zone": "nova"}, "é web_3"),
        ({"zone": "nova", "default_zone": "nova"}, "db%1, web-2, web-1"),
        ({"deleted": True}, ""),
        ({"living_too": True}, "é web_3, db%1, web-2, web-1"),
        ({"changed_since": dt.datetime(2099, 1, 1, tzinfo=dt.UTC)}, ""),
        ({"changed_before": dt.datetime(2026, 1, 1, 12, 0, 1, tzinfo=dt.UTC)}, "web-2, web-1"),
        ({"each": [lambda instance: instance.tags == ["blue"]]}, "é web_3"),
    ],
)
def test_a_list_holds_what_its_filters_ask_for(db: Database, fleet, filters, names) -> None:
    assert found(db, fleet, **filters) == names


@pytest.mark.parametrize("key", sorted(SORT_KEYS))
@pytest.mark.parametrize("down", [True, False])
def test_pages_in_any_order_show_every_server_once(db: Database, fleet, key, down) -> None:
    wanted = Filters(equal={"project_id": [fleet[0].project_id]})
    marker, seen = None, []
    while page := server_list.names(db, wanted, Page(1, marker, [(key, down)])):
        ((marker, name),) = page
        seen.append(name)
    whole = [name for _, name in server_list.names(db, wanted, Page(100, None, [(key, down)]))]
    assert seen == whole and sorted(seen) == sorted(i.name for i in fleet)


def test_a_page_after_a_server_that_is_not_there_is_refused(db: Database, fleet) -> None:
    with pytest.raises(errors.Invalid, match="not found"):
        found(db, fleet, Page(1, str(uuid.uuid4())))


@pytest.mark.parametrize("pattern", ["a{2,1}", "[b-a]", "*", "[[:nope:]]"])
def test_a_pattern_the_database_refuses_is_a_bad_request(db: Database, fleet, pattern) -> None:
    if db.is_sqlite and pattern == "[[:nope:]]":
        pytest.skip("Python's regular expressions have no such classes")
    with pytest.raises(errors.Invalid, match="no regular expression"):
        found(db, fleet, name=pattern)


def test_an_instance_comes_back_as_it_went_in(db: Database, fleet) -> None:
    back = instances.get(db, fleet[3].uuid)
    assert replace(back, updated_at=None) == fleet[3]


def test_flavors_are_kept_found_and_forgotten(db: Database) -> None:
    private = replace(SIZE, id="f-p", name="private", is_public=False)
    flavors.create(db, private)
    flavors.create(db, replace(SIZE, id="f-1", name="one", extra_specs={"a": "b"}))
    with pytest.raises(errors.Conflict, match="Flavor with ID f-1 already exists"):
        flavors.create(db, replace(SIZE, id="f-1", name="other"))
    with pytest.raises(errors.Conflict, match="Flavor with name one already exists"):
        flavors.create(db, replace(SIZE, id="f-2", name="one"))
    for project, names in ((None, {"one", "private"}), ("mine", {"one"})):
        seen = flavors.find(db, project_id=project, is_public=None)
        assert {f.name for f in seen} == names
    flavors.grant(db, "f-p", "mine")
    with pytest.raises(errors.Conflict):
        flavors.grant(db, "f-p", "mine")
    assert flavors.get(db, "f-p", project_id="mine") == private
    assert flavors.projects_of(db, "f-p") == ["mine"]
    flavors.revoke(db, "f-p", "mine")
    with pytest.raises(errors.NotFound):
        flavors.revoke(db, "f-p", "mine")
    with pytest.raises(errors.NotFound):
        flavors.get(db, "f-p", project_id="mine")
    assert flavors.change_specs(db, "f-1", {"c": "d"}) == {"a": "b", "c": "d"}
    assert flavors.change_specs(db, "f-1", {}, remove="a") == {"c": "d"}
    with pytest.raises(errors.NotFound):
        flavors.change_specs(db, "f-1", {}, remove="a")
    flavors.describe(db, "f-1", "small")
    assert flavors.get(db, "f-1", project_id=None).description == "small"
    for key in flavors.SORT_KEYS:
        assert len(flavors.find(db, project_id=None, is_public=None, sort_key=key)) == 2
    flavors.delete(db, "f-1")
    flavors.delete(db, "f-p")
    with pytest.raises(errors.NotFound):
        flavors.delete(db, "f-1")


def key(db: Database, name: str, user: str = "u", limit: int = -1) -> keypairs.KeyPair:
    return keypairs.create(
        db,
        user_id=user,
        name=name,
        type="ssh",
        fingerprint="0",
        public_key="ssh-ed25519 AAAA",
        limit=limit,
    )


def test_keys_are_each_users_own(db: Database) -> None:
    kept = key(db, "k")
    with pytest.raises(errors.Conflict, match="Key pair 'k' already exists"):
        key(db, "k")
    key(db, "k", user="other")
    with pytest.raises(errors.QuotaExceeded):
        key(db, "k2", limit=1)
    key(db, "k2")
    assert keypairs.get(db, "u", "k") == kept
    assert [k.name for k in keypairs.find(db, "u", limit=1, marker="k")] == ["k2"]
    keypairs.delete(db, "u", "k")
    with pytest.raises(errors.NotFound):
        keypairs.delete(db, "u", "k")
    assert [k.name for k in keypairs.find(db, "other")] == ["k"]


def test_words_written_at_the_same_time_are_all_kept(db: Database) -> None:
    (instance,) = entered(db, an_instance("labelled", project_id=uuid.uuid4().hex))

    def write(number: int) -> None:
        name = str(number)
        server_labels.change_metadata(db, instance.uuid, lambda old: {**old, name: "x"})
        server_labels.change_tags(db, instance.uuid, lambda old: [*old, name])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(16)))
    back = instances.get(db, instance.uuid)
    assert set(back.metadata) == set(back.tags) == {str(n) for n in range(16)}


def test_floating_ips_outlive_a_new_binding(db: Database) -> None:
    led = FixedIP("10.0.0.7", "10.0.0.0/24", floating_ips=["198.51.100.7"])
    vif = VIF("p1", "n1", "private", "fa:16:3e:00:00:01", "tap", "br", 1500, fixed_ips=[led])
    (instance,) = entered(db, an_instance("led", vifs=[vif]))
    bound = [FixedIP("10.0.0.7", "10.0.0.0/24"), FixedIP("10.0.0.8", "10.0.0.0/24")]
    again = replace(vif, bridge="other", fixed_ips=bound)
    vifs.bound(db, instance.uuid, [again])
    (kept,) = instances.get(db, instance.uuid).vifs
    assert kept.bridge == "other"
    assert [fixed.floating_ips for fixed in kept.fixed_ips] == [["198.51.100.7"], []]
    vifs.bound(db, str(uuid.uuid4()), [again])


def test_one_device_name_goes_to_one_volume(db: Database) -> None:
    (instance,) = entered(db, an_instance("attached", project_id=uuid.uuid4().hex))
    start = threading.Barrier(6)

    def attach(_: int) -> bool:
        device = BlockDevice(str(uuid.uuid4()), "volume", "volume", device_name="/dev/vdb")
        start.wait()
        try:
            with db.transaction() as connection:
                instances.insert_device(connection, instance.uuid, device)
        except errors.DuplicateEntry:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(attach, range(6))) == 1


def test_a_list_takes_as_many_queries_for_one_as_for_all(db: Database, fleet) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            asked.append(statement)

    sa.event.listen(db.engine, "before_cursor_execute", note)
    counts = []
    for limit in (1, len(fleet)):
        asked.clear()
        wanted = Filters(equal={"project_id": [fleet[0].project_id]})
        assert len(server_list.servers(db, wanted, Page(limit))) == limit
        counts.append(len(asked))
    sa.event.remove(db.engine, "before_cursor_execute", note)
    assert counts[0] == counts[1] <= 3
