"""What the volume service relies on, on every database: statuses, attachments, quota."""

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from minova.common import errors
from minova.companions.volume import states
from minova.companions.volume.queries import attachments, quotas, volumes
from minova.companions.volume.records import Attachment, Volume, now
from minova.companions.volume.service import MIGRATIONS
from minova.companions.volume.tables import volumes as table
from minova.db.engine import Database, migrate
from tests import databases

UNLIMITED = {"volumes": -1, "gigabytes": -1}


@pytest.fixture(params=databases.available(), scope="module")
def db(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with databases.fresh(request.param, tmp_path_factory.mktemp("db")) as url:
        migrate(url, MIGRATIONS)
        migrate(url, MIGRATIONS)
        database = Database(url)
        yield database
        database.dispose()


def a_volume(project: str | None = None, **values: Any) -> Volume:
    known: dict[str, Any] = {
        "status": states.AVAILABLE,
        "size_gb": 1,
        "availability_zone": "nova",
        "format": "raw",
        **values,
    }
    return Volume(
        id=str(uuid.uuid4()),
        project_id=project or uuid.uuid4().hex,
        user_id=uuid.uuid4().hex,
        host="lab",
        created_at=now(),
        **known,
    )


def stored(db: Database, **values: Any) -> Volume:
    volume = a_volume(**values)
    volumes.create(db, volume, UNLIMITED)
    return volume


def an_attachment(volume: Volume, server_id: str | None = None) -> Attachment:
    return Attachment(
        id=str(uuid.uuid4()),
        volume_id=volume.id,
        server_id=server_id or str(uuid.uuid4()),
        status=states.RESERVED,
        created_at=now(),
    )


def outcomes(number: int, act: Callable[[int], Any]) -> list[str]:
    """What became of `number` concurrent calls: `done` or the error's name, sorted."""

    def outcome(index: int) -> str:
        try:
            act(index)
        except errors.MinovaError as error:
            return type(error).__name__
        return "done"

    with ThreadPoolExecutor(number) as pool:
        return sorted(pool.map(outcome, range(number)))


def test_a_volume_comes_back_as_it_was_stored(db: Database) -> None:
    volume = stored(
        db,
        name="Ünïcode \u2603 \U0001f4be",
        description="",
        metadata={"k": "v", "Ü": "\U0001f4be"},
        image_metadata={"size": "1"},
        bootable=True,
    )
    assert volumes.get(db, volume.id) == volume
    with pytest.raises(errors.NotFound):
        volumes.get(db, volume.id, project_id="another")


def test_of_racing_reservations_one_wins(db: Database) -> None:
    volume = stored(db)
    found = outcomes(8, lambda _: attachments.add(db, an_attachment(volume), "reserve"))
    assert found == ["Invalid"] * 7 + ["done"]


def test_a_deletion_and_a_reservation_never_both_win(db: Database) -> None:
    for _ in range(5):
        volume = stored(db)
        acts = [
            lambda v=volume: attachments.add(db, an_attachment(v), "reserve"),
            lambda v=volume: volumes.change(db, v.id, "delete", detached=True),
        ]
        assert outcomes(2, lambda index, acts=acts: acts[index]()) == ["Invalid", "done"]


def test_racing_creations_never_exceed_the_quota(db: Database) -> None:
    project, limits = uuid.uuid4().hex, {"volumes": 3, "gigabytes": 100}
    found = outcomes(10, lambda _: volumes.create(db, a_volume(project), limits))
    assert found == ["QuotaExceeded"] * 7 + ["done"] * 3
    assert quotas.used(db, project) == {
        "volumes": 3,
        "snapshots": 0,
        "gigabytes": 3,
    }


def test_racing_extensions_count_against_the_quota(db: Database) -> None:
    project, limits = uuid.uuid4().hex, {"volumes": -1, "gigabytes": 10}
    made = [stored(db, project=project) for _ in range(4)]
    found = outcomes(4, lambda index: volumes.extend(db, made[index], 4, limits))
    assert found == ["QuotaExceeded"] * 2 + ["done"] * 2
    assert quotas.used(db, project)["gigabytes"] == 10


def test_an_attachment_goes_its_way_once(db: Database) -> None:
    volume = stored(db)
    attachment = an_attachment(volume)
    attachments.add(db, attachment, "reserve")
    assert not attachments.is_served(db, volume.id)
    attachments.connect(db, attachment.id, "lab", "/dev/vdb")
    assert attachments.is_served(db, volume.id)
    attachments.complete(db, attachment.id)
    assert volumes.get(db, volume.id).status == states.IN_USE
    served = attachments.served_volumes(db, "lab")
    assert [(found.id, mode) for found, mode in served] == [(volume.id, "rw")]
    _, last = attachments.begin_detach(db, attachment.id)
    assert last
    assert not attachments.is_served(db, volume.id)
    with pytest.raises(errors.Invalid):
        attachments.complete(db, attachment.id)
    attachments.finish_detach(db, attachment.id)
    attachments.finish_detach(db, attachment.id)
    assert volumes.get(db, volume.id).status == states.AVAILABLE


def test_a_server_that_no_host_has_can_have_a_volume(db: Database) -> None:
    volume = stored(db)
    attachment = an_attachment(volume)
    attachments.add(db, attachment, "reserve")
    attachments.complete(db, attachment.id)
    assert volumes.get(db, volume.id).status == states.IN_USE
    assert not attachments.is_served(db, volume.id)
    found, _ = attachments.connect(db, attachment.id, "lab", None)
    assert (found.status, found.connected) == (states.ATTACHED, True)
    assert attachments.is_served(db, volume.id)


def test_of_two_detachments_at_once_exactly_one_ends_the_export(db: Database) -> None:
    volume, server = stored(db), str(uuid.uuid4())
    both = [an_attachment(volume, server) for _ in range(2)]
    for attachment in both:
        attachments.add(db, attachment, "reserve")
        attachments.connect(db, attachment.id, "lab", None)
    last: list[bool] = []
    found = outcomes(2, lambda i: last.append(attachments.begin_detach(db, both[i].id)[1]))
    assert found == ["done", "done"]
    assert sorted(last) == [False, True]
    for attachment in both:
        attachments.finish_detach(db, attachment.id)
    assert volumes.get(db, volume.id).status == states.AVAILABLE


def test_metadata_changed_at_the_same_time_is_all_there(db: Database) -> None:
    volume = stored(db)
    found = outcomes(8, lambda n: volumes.change_metadata(db, volume.id, {f"k{n}": "v"}))
    assert found == ["done"] * 8
    assert set(volumes.get(db, volume.id).metadata) == {f"k{n}" for n in range(8)}


def test_limits_of_a_project_are_kept_apart(db: Database) -> None:
    project = uuid.uuid4().hex
    quotas.set_limits(db, project, {"volumes": 7})
    quotas.set_limits(db, project, {"volumes": 8, "gigabytes": -1})
    assert quotas.limits(db, project, UNLIMITED) == {"volumes": 8, "gigabytes": -1}
    quotas.forget_limits(db, project)
    assert quotas.limits(db, project, UNLIMITED) == UNLIMITED
    quotas.know_project(db, project)
    assert outcomes(4, lambda _: quotas.know_project(db, project)) == ["done"] * 4


def test_names_are_compared_by_their_letters_case_included(db: Database) -> None:
    project = uuid.uuid4().hex
    stored(db, project=project, name="Disk")
    mine = table.c.project_id == project
    assert volumes.find(db, [mine, table.c.name == "disk"]) == []
    assert len(volumes.find(db, [mine, table.c.name == "Disk"], [table.c.created_at.desc()])) == 1


def test_a_deleted_volume_takes_its_attachments_along(db: Database) -> None:
    volume = stored(db)
    attachments.add(db, an_attachment(volume), "reserve")
    volumes.delete(db, volume.id)
    volumes.delete(db, volume.id)
    assert attachments.of_volumes(db, [volume.id]) == {volume.id: []}
