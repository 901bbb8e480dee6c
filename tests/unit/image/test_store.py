"""The file store: whole files or none, and nothing outside its folder."""

import os
import threading
import uuid
from pathlib import Path

import pytest

from minova.companions.image.store import Store

TOKEN = "a" * 32


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def image() -> str:
    return str(uuid.uuid4())


def files(store: Store) -> list[str]:
    folder = store.path(str(uuid.uuid4())).parent
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_data_appears_under_its_name_only_when_it_is_whole(store: Store, image: str) -> None:
    part = store.begin(image, TOKEN)
    part.write(b"half ")
    with pytest.raises(FileNotFoundError):
        store.open(image)
    part.write(b"and half")
    part.sync()
    part.commit()
    part.close()
    with store.open(image) as file:
        assert file.read() == b"half and half"
    assert files(store) == [image] and list(store.images()) == [image]


def test_a_discarded_part_leaves_nothing(store: Store, image: str) -> None:
    part = store.begin(image, TOKEN)
    part.write(b"x")
    part.discard()
    part.discard()
    assert files(store) == []


def test_a_part_belongs_to_one_writer(store: Store, image: str) -> None:
    part = store.begin(image, TOKEN)
    assert store.is_written(image, TOKEN) and not store.delete_part(image, TOKEN)
    assert store.reopen(image, TOKEN) is None
    with pytest.raises(FileExistsError):
        store.begin(image, TOKEN)
    part.close()
    assert not store.is_written(image, TOKEN)
    again = store.reopen(image, TOKEN)
    assert again is not None
    again.commit()
    assert store.is_written(image, TOKEN), "the lock goes with the file"
    again.close()
    assert store.reopen(image, TOKEN) is None


def test_of_many_that_reopen_a_part_one_gets_it(store: Store, image: str) -> None:
    store.begin(image, TOKEN).close()
    start, got = threading.Barrier(8), []

    def take() -> None:
        start.wait()
        part = store.reopen(image, TOKEN)
        if part is not None:
            part.commit()
            got.append(part)

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 1
    got[0].close()


def test_a_writer_sees_that_its_image_was_deleted(store: Store, image: str) -> None:
    part = store.begin(image, TOKEN)
    assert not part.abandoned
    store.delete(image)
    assert part.abandoned and files(store) == []
    with pytest.raises(FileNotFoundError):
        part.commit()
    part.discard()


def test_deleting_takes_no_other_images_files(store: Store, image: str) -> None:
    other = str(uuid.uuid4())
    for one in (image, other):
        part = store.begin(one, TOKEN)
        part.commit()
        part.close()
        store.begin(one, "b" * 32).close()
    store.delete(image)
    store.delete(image)
    assert files(store) == sorted([other, f"parts/{other}.{'b' * 32}"])


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "/etc/passwd", "a" * 36, "parts", "A\0B"])
def test_no_name_leads_out_of_the_store(store: Store, image: str, name: str) -> None:
    for call in (store.path, store.open, store.delete):
        with pytest.raises(ValueError):
            call(name)
    for call in (store.begin, store.reopen, store.delete_part, store.has_part):
        with pytest.raises(ValueError):
            call(name, TOKEN)
        with pytest.raises(ValueError):
            call(image, name)


def test_the_store_is_closed_to_other_users(store: Store, image: str) -> None:
    old = os.umask(0)
    try:
        part = store.begin(image, TOKEN)
        part.commit()
        part.close()
    finally:
        os.umask(old)
    assert store.path(image).stat().st_mode & 0o7777 == 0o640
    assert store.path(image).parent.stat().st_mode & 0o007 == 0
