"""Files of volumes: sparse, new, and nowhere else than in their folder."""

import os

import pytest

from minova.common import errors
from minova.companions.volume.exports import Exports
from minova.companions.volume.records import Volume, now
from minova.companions.volume.store import Store

ID = "7e8f7c5e-0a53-4a3a-9a55-0f2b8a3c8f11"
BLOCK = 64 * 1024


@pytest.fixture
def store(tmp_path):
    store = Store(str(tmp_path / "volumes"))
    store.prepare()
    return store


def a_volume(size_gb=1):
    return Volume(
        id=ID,
        project_id="p",
        user_id="u",
        host="lab",
        size_gb=size_gb,
        status="creating",
        availability_zone="nova",
        format="raw",
        created_at=now(),
    )


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [b"x"],
        [bytes(BLOCK * 4)],
        [os.urandom(BLOCK + 1), bytes(BLOCK - 1), b"end"],
        [bytes(BLOCK * 3 + 5)],
        [b"a" + bytes(BLOCK * 2), bytes(10), b"b"],
    ],
)
def test_a_download_is_stored_as_it_came_with_holes_for_zeros(store, chunks):
    path = store.fill(ID, chunks, limit=BLOCK * 10)
    data = b"".join(chunks)
    assert path.read_bytes() == data
    if data and not data.strip(b"\0"):
        assert path.stat().st_blocks == 0


def test_a_download_that_is_too_large_stops(store):
    seen = []

    def endless():
        while True:
            seen.append(1)
            yield bytes(BLOCK)

    with pytest.raises(errors.Invalid):
        store.fill(ID, endless(), limit=BLOCK * 3)
    assert len(seen) == 4


def test_nothing_is_written_through_a_link(store, tmp_path):
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    for name in (f"volume-{ID}", f"volume-{ID}.part", f"volume-{ID}.download.part"):
        (tmp_path / "volumes" / name).symlink_to(victim)
    store.create_empty(a_volume())
    store.fill(ID, [b"data"], limit=10)
    assert victim.read_bytes() == b"precious"
    assert not store.path(ID).is_symlink()


@pytest.mark.parametrize("name", ["", "..", "../../etc/passwd", ID + "/x", ID.upper(), ID + "\n"])
def test_what_is_no_id_names_no_file(store, name):
    with pytest.raises(ValueError):
        store.path(name)


def test_delete_removes_the_volume_and_its_leftovers_only(store):
    other = ID.replace("7e8f", "0000")
    store.create_empty(a_volume())
    store.part(ID, "download.").write_bytes(b"half")
    store.path(other).write_bytes(b"other")
    store.delete(ID)
    store.delete(ID)
    assert [path.name for path in store.path(ID).parent.iterdir()] == [f"volume-{other}"]


def test_a_volume_never_shrinks(store):
    store.create_empty(a_volume(size_gb=2))
    store.extend(a_volume(size_gb=2), 1)
    assert store.path(ID).stat().st_size == 2 * 1024**3


def test_a_folder_of_sockets_with_too_long_a_name_is_refused_at_start(store, tmp_path):
    with pytest.raises(errors.Invalid, match="export_path"):
        Exports(store, str(tmp_path / ("x" * 80)), None).prepare()
