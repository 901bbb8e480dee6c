"""Notifications: who listens hears what was done to servers, on every transport."""

import datetime as dt
import os
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from falcon import testing
from oslo_config import cfg

from minova.api import app
from minova.common import errors, notices
from minova.common.context import RequestContext
from minova.conductor.auditing import Auditing
from minova.db import actions, hosts, instances, launches, states, usage_audits
from minova.db import work as db_work
from minova.db.engine import Database, migrate
from minova.model import states as s
from minova.model.instance import Flavor, Instance, utcnow
from tests.configuration import configure
from tests.ear import SECONDS, Ear, listening
from tests.nova import PUBLIC_KEY

RABBIT = os.environ.get("MINOVA_TEST_RABBIT_URL")
TRANSPORTS = [
    pytest.param("local:///heard", id="local"),
    pytest.param(
        RABBIT, id="rabbit", marks=[] if RABBIT else [pytest.mark.skip(reason="no RabbitMQ")]
    ),
]
LEASE = 60.0


Told = Callable[..., None]


@pytest.fixture
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """Has this process send its notifications to a transport and topic, or nowhere."""

    def tell(url: str, driver: str = "messagingv2", topic: str = "unheard") -> None:
        file = tmp_path / "minova.conf"
        file.write_text(
            f"[DEFAULT]\ntransport_url = {url}\n"
            f"[oslo_messaging_notifications]\ndriver = {driver}\n"
            f"[notifications]\nversioned_notifications_topics = {topic}\n"
            "notify_on_state_change = vm_and_task_state\n"
        )
        cfg.CONF([], project="minova", default_config_files=[str(file)])
        monkeypatch.setattr(notices, "_sender", notices._Sender())

    configure()
    yield tell
    configure()


@pytest.fixture(params=TRANSPORTS)
def ear(request: pytest.FixtureRequest, told: Told) -> Iterator[Ear]:
    """A listener of the notifications that this process sends."""
    topic = f"heard-{uuid.uuid4().hex}"
    told(request.param, topic=topic)
    with listening(topic) as heard:
        yield heard


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/nova.sqlite"
    migrate(url, "minova.db.migrations")
    database = Database(url)
    yield database
    database.dispose()


@pytest.fixture
def ctxt() -> RequestContext:
    return RequestContext(user_id="u", project_id="p" * 32, roles=["member"], overwrite=False)


def launched(db: Database, ctxt: RequestContext) -> tuple[Instance, Any]:
    wanted = Instance(
        uuid=str(uuid.uuid4()),
        name="told-of",
        project_id="p" * 32,
        user_id="u",
        vm_state=s.BUILDING,
        task_state=s.SCHEDULING,
        power_state=s.NOSTATE,
        flavor=Flavor("1", "m1", 1, 64, 1, extra_specs={"hw_rng:allowed": "true"}),
        created_at=utcnow(),
        hostname="told-of",
        reservation_id="r-1",
        tags=["blue"],
    )
    return launches.create(db, ctxt, [wanted], lease_seconds=LEASE)[0]


def test_a_launch_and_its_delete_are_heard_of(ear: Ear, db: Database, ctxt: Any) -> None:
    instance, work = launched(db, ctxt)
    states.finish(db, work, None, launched_at=utcnow(), power_state=s.RUNNING)
    gone = states.begin(db, ctxt, instance.uuid, "delete", lease_seconds=LEASE)
    states.finish(db, gone, None)
    heard = ear.wait_for(instance.uuid, 7)
    assert [event for event, _, _ in heard] == [
        "instance.create.start",
        "instance.update",
        "instance.create.end",
        "instance.update",
        "instance.delete.start",
        "instance.update",
        "instance.delete.end",
    ]
    assert {priority for _, priority, _ in heard} == {"INFO"}
    start, ended = heard[0][2], heard[2][2]
    assert start["nova_object.name"] == "InstanceCreatePayload"
    assert start["nova_object.namespace"] == "nova"
    told = start["nova_object.data"]
    assert start["nova_object.changes"] == sorted(told)
    assert (told["display_name"], told["state"], told["tags"]) == ("told-of", "building", ["blue"])
    assert told["request_id"] == ctxt.request_id
    assert told["flavor"]["nova_object.data"]["extra_specs"] == {"hw_rng:allowed": "true"}
    assert ended["nova_object.data"]["state"] == "active"
    assert ended["nova_object.data"]["power_state"] == "running"
    change = heard[3][2]["nova_object.data"]["state_update"]["nova_object.data"]
    assert (change["old_task_state"], change["new_task_state"]) == (None, "deleting")


def test_a_failed_action_is_an_error_that_says_why(ear: Ear, db: Database, ctxt: Any) -> None:
    instance, work = launched(db, ctxt)
    states.fail(db, work, None, code=500, message="No valid host was found.")
    event, priority, payload = ear.wait_for(instance.uuid, 3)[-1]
    assert (event, priority) == ("instance.create.error", "ERROR")
    fault = payload["nova_object.data"]["fault"]
    assert fault["nova_object.data"]["exception_message"] == "No valid host was found."


def test_a_period_is_audited_once_with_all_that_a_host_had_in_it(
    ear: Ear, db: Database, ctxt: Any
) -> None:
    end = utcnow().replace(minute=0, second=0, microsecond=0)
    hour = dt.timedelta(hours=1)
    period = (end - hour, end)

    def had(host: str, launched_at: dt.datetime, deleted_at: dt.datetime | None = None) -> str:
        instance, work = launched(db, ctxt)
        states.finish(db, work, None, launched_at=launched_at, host=host)
        if deleted_at is not None:
            gone = states.begin(db, ctxt, instance.uuid, "delete", lease_seconds=LEASE)
            states.finish(db, gone, None)
            instances.update(db, instance.uuid, terminated_at=deleted_at)
        return instance.uuid

    long_there = had("h", end - 9 * hour)
    deleted = had("h", end - 9 * hour, end - hour / 2)
    others = [
        had("h", end - 9 * hour, end - 2 * hour),
        had("h", end + hour / 60),
        had("other", end - 9 * hour),
    ]
    auditing = Auditing(db)
    assert not auditing.is_done("h", period)
    deadline = time.monotonic() + SECONDS
    while not auditing.is_done("h", period):
        assert time.monotonic() < deadline, "the audit does not end"
        time.sleep(0.02)
    assert auditing.is_done("h", period)
    (audit,) = usage_audits.of_period(db, period)
    assert (audit.host, audit.state, audit.instances, audit.errors) == ("h", "DONE", 2, 0)
    # A last word, that all before it has been heard.
    last, _ = launched(db, ctxt)
    ear.wait_for(last.uuid, 1)
    for uuid_ in (long_there, deleted):
        (payload,) = [p for e, _, p in ear.wait_for(uuid_, 1) if e == "instance.exists"]
        told = payload["nova_object.data"]
        audited = told["audit_period"]["nova_object.data"]
        assert audited["audit_period_beginning"] == f"{period[0]:%Y-%m-%dT%H:%M:%SZ}"
        assert audited["audit_period_ending"] == f"{end:%Y-%m-%dT%H:%M:%SZ}"
        assert (told["host"], told["request_id"]) == ("h", None)
    for uuid_ in others:
        assert "instance.exists" not in [event for event, _, _ in ear.wait_for(uuid_, 1)]


def test_an_audit_whose_conductor_died_is_done_by_another(
    told: Told, db: Database, ctxt: Any
) -> None:
    told("local:///quiet", driver="")
    period = (utcnow(), utcnow())
    assert usage_audits.begin(db, "h", period, 3600)
    assert not usage_audits.begin(db, "h", period, 3600)
    assert usage_audits.begin(db, "h", period, -1)
    usage_audits.finish(db, "h", period, message="done", instances=0, errors=0)
    assert not usage_audits.begin(db, "h", period, -1)


def test_what_was_refused_is_not_told(ear: Ear, db: Database, ctxt: Any) -> None:
    instance, work = launched(db, ctxt)
    with pytest.raises(errors.Conflict):
        states.begin(db, ctxt, instance.uuid, "pause", lease_seconds=LEASE)
    with pytest.raises(RuntimeError), db.transaction() as connection:
        actions.start(connection, ctxt, instance.uuid, "pause")
        raise RuntimeError("rolled back")
    states.finish(db, work, None)
    heard = [event for event, _, _ in ear.wait_for(instance.uuid, 3)]
    assert heard == ["instance.create.start", "instance.update", "instance.create.end"]


def test_actions_are_called_as_nova_calls_them(ear: Ear, db: Database, ctxt: Any) -> None:
    instance, work = launched(db, ctxt)
    states.finish(db, work, None, launched_at=utcnow(), host="h", node="h")
    stop = states.begin(db, ctxt, instance.uuid, "stop", lease_seconds=LEASE)
    states.finish(db, stop, None)
    reboot = states.begin(db, ctxt, instance.uuid, "reboot_hard", lease_seconds=LEASE)
    states.finish(db, reboot, None)
    heard = [event for event, _, _ in ear.wait_for(instance.uuid, 11)]
    phases = [event for event in heard if event != "instance.update"][2:]
    assert phases == [
        "instance.power_off.start",
        "instance.power_off.end",
        "instance.reboot.start",
        "instance.reboot.end",
    ]


@pytest.mark.parametrize(
    ("action", "request_", "error"),
    [
        ("reboot", {}, "instance.reboot.error"),
        ("rebuild", {}, "instance.rebuild.error"),
        ("attach_volume", {"volume_id": str(uuid.uuid4())}, "instance.volume_attach.error"),
        ("attach_interface", {}, "instance.interface_attach.error"),
        ("pause", {}, None),
    ],
)
def test_what_a_host_cannot_do_is_an_exception_of_it(
    ear: Ear, db: Database, ctxt: Any, action: str, request_: dict[str, str], error: str | None
) -> None:
    instance, work = launched(db, ctxt)
    states.finish(db, work, None, launched_at=utcnow(), host="h", node="h")
    begun = states.begin(
        db, ctxt, instance.uuid, action, lease_seconds=LEASE, request=dict(request_)
    )
    owner = "nova-compute@h/incarnation"
    taken = db_work.take(db, begun.id, owner, LEASE, stage="host", host="h")
    states.fail(db, taken, owner, code=500, message="QEMU does not want to.")
    last, _ = launched(db, ctxt)
    ear.wait_for(last.uuid, 1)
    heard = ear.wait_for_events(1)
    (exception,) = [each for each in heard if each[0] == "compute.exception"]
    assert exception[1] == "ERROR"
    assert exception[2]["nova_object.name"] == "ExceptionPayload"
    told = exception[2]["nova_object.data"]["exception_message"]
    assert told == "QEMU does not want to."
    failures = [each for each in ear.wait_for(instance.uuid, 1) if each[1] == "ERROR"]
    assert [event for event, _, _ in failures] == ([error] if error else [])
    if error == "instance.volume_attach.error":
        assert failures[0][2]["nova_object.data"]["volume_id"] == request_["volume_id"]


def test_a_launch_does_not_wait_for_a_broker_that_is_away(
    told: Told, db: Database, ctxt: Any
) -> None:
    told("rabbit://nobody:nothing@127.0.0.1:1/")
    begin = time.monotonic()
    for _ in range(8):
        _, work = launched(db, ctxt)
        states.finish(db, work, None)
    assert notices.on()
    assert time.monotonic() - begin < SECONDS / 2


def test_nothing_is_read_or_made_when_nobody_is_told(
    told: Told, db: Database, ctxt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    told("local:///quiet", driver="")
    monkeypatch.setattr("minova.db.notices._tell", lambda *_: pytest.fail("it was made"))
    _, work = launched(db, ctxt)
    states.finish(db, work, None)
    assert not notices.on()


# What is done to the API, and what is heard of it.
RESOURCES: list[tuple[str, str, Any, list[str]]] = [
    (
        *("POST", "/flavors"),
        {"flavor": {"name": "f", "id": "f", "ram": 1, "vcpus": 1, "disk": 1}},
        ["flavor.create"],
    ),
    ("PUT", "/flavors/f", {"flavor": {"description": "d"}}, ["flavor.update"]),
    ("POST", "/flavors/f/os-extra_specs", {"extra_specs": {"a": "b"}}, ["flavor.update"]),
    ("DELETE", "/flavors/f", None, ["flavor.delete"]),
    (
        *("POST", "/os-keypairs"),
        {"keypair": {"name": "k", "public_key": PUBLIC_KEY}},
        ["keypair.import.start", "keypair.import.end"],
    ),
    ("DELETE", "/os-keypairs/k", None, ["keypair.delete.start", "keypair.delete.end"]),
    (
        *("POST", "/os-aggregates"),
        {"aggregate": {"name": "a"}},
        ["aggregate.create.start", "aggregate.create.end"],
    ),
    (
        *("POST", "/os-aggregates/1/action"),
        {"set_metadata": {"metadata": {"ssd": "true"}}},
        ["aggregate.update_metadata.start", "aggregate.update_metadata.end"],
    ),
    ("DELETE", "/os-aggregates/1", None, ["aggregate.delete.start", "aggregate.delete.end"]),
    (
        *("POST", "/os-server-groups"),
        {"server_group": {"name": "g", "policy": "affinity"}},
        ["server_group.create"],
    ),
    ("PUT", "/os-services/SERVICE", {"status": "disabled"}, ["service.update"]),
    ("DELETE", "/os-services/SERVICE", None, ["service.delete"]),
]


def test_changes_of_resources_are_heard_of_in_their_order(ear: Ear, db: Database) -> None:
    admin = RequestContext(
        user_id="u", project_id="p" * 32, roles=["admin", "member", "reader"], overwrite=False
    )
    hosts.report_service(db, "h", "nova-compute", "i")
    service = hosts.services(db)[0].uuid
    client = testing.TestClient(app.build(db, authenticate=lambda req: admin))
    expected: list[str] = ["service.create"]
    for method, path, body, events in RESOURCES:
        answer = client.simulate_request(
            method,
            "/v2.1" + path.replace("SERVICE", service),
            json=body,
            headers={"OpenStack-API-Version": "compute 2.96"},
        )
        assert answer.status_code < 300, answer.text
        expected += events
    heard = ear.wait_for_events(len(expected))
    assert [event for event, _, _ in heard] == expected
    by_name = {event: payload["nova_object.data"] for event, _, payload in heard}
    assert by_name["flavor.delete"]["extra_specs"] == {"a": "b"}
    assert by_name["aggregate.update_metadata.end"]["metadata"] == {"ssd": "true"}
    assert by_name["service.update"]["disabled"] is True
