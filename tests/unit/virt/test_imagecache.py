"""The cache on disk: what the contract suite cannot see."""

import multiprocessing
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from minova.common import errors
from minova.virt import qcow2
from minova.virt.libvirt.filelock import locked
from minova.virt.libvirt.imagecache import ImageCache
from tests.unit.virt import nouns


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return ImageCache(tmp_path / "_base")


def files(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "_base").iterdir() if p.is_file())


def nothing() -> set[Path]:
    return set()


def test_a_base_is_the_image_as_it_was_uploaded(cache: ImageCache, tmp_path: Path) -> None:
    data = nouns.qcow2(tmp_path, "32M")
    source = nouns.Source(data, nouns.image_of(data, "qcow2"))
    cache.fetch(source)
    base = cache.base(source.meta)
    assert base.path.read_bytes() == data
    assert (base.format, base.virtual_size) == ("qcow2", 32 * 1024 * 1024)


def test_two_ids_of_the_same_content_share_one_file(cache: ImageCache, tmp_path: Path) -> None:
    first, second = nouns.Source(b"same" * 1024), nouns.Source(b"same" * 1024)
    cache.fetch(first)
    cache.fetch(second)
    assert second.reads == 0
    assert len([name for name in files(tmp_path) if name.endswith(".raw")]) == 1
    assert cache.sweep([first.meta.id], 0, nothing) == [second.meta.id]
    assert cache.base(first.meta).path.exists()


def test_images_known_by_md5_only_never_share(cache: ImageCache, tmp_path: Path) -> None:
    sources = [nouns.Source(b"same" * 1024) for _ in range(2)]
    for source in sources:
        source.meta = replace(source.meta, os_hash_algo=None, os_hash_value=None)
        cache.fetch(source)
    assert [source.reads for source in sources] == [1, 1]


def test_zeros_take_no_room(cache: ImageCache) -> None:
    source = nouns.Source(b"\1" * 512 + bytes(32 * 1024 * 1024 - 512))
    cache.fetch(source)
    status = cache.base(source.meta).path.stat()
    assert status.st_size == len(source.data)
    assert status.st_blocks * 512 < 4 * 1024 * 1024


def test_a_refused_image_leaves_no_bytes(cache: ImageCache, tmp_path: Path) -> None:
    source = nouns.Source(b"data" * 1024)
    source.meta = replace(source.meta, os_hash_value="0" * 128)
    with pytest.raises(errors.Invalid):
        cache.fetch(source)
    assert [name for name in files(tmp_path) if not name.endswith(".lock")] == []


def test_a_download_that_dies_leaves_no_bytes(cache: ImageCache, tmp_path: Path) -> None:
    class Dies(nouns.Source):
        def chunks(self):
            yield b"half"
            raise errors.Unavailable(service="image")

    with pytest.raises(errors.Unavailable):
        cache.fetch(Dies(b"data" * 1024))
    assert [name for name in files(tmp_path) if not name.endswith(".lock")] == []


def test_what_a_killed_process_left_is_overwritten_or_swept(
    cache: ImageCache, tmp_path: Path
) -> None:
    source, other = nouns.Source(b"data" * 1024), nouns.Source(b"more" * 1024)
    for each in (source, other):
        cache.fetch(each)
        path = cache.base(each.meta).path
        path.rename(path.with_name(path.name + ".part"))
    cache.fetch(source)
    assert cache.base(source.meta).path.read_bytes() == source.data
    cache.sweep([source.meta.id], 0, nothing)
    kept = cache.base(source.meta).path.name
    assert [name for name in files(tmp_path) if not name.endswith(".lock")] == [kept]


def test_a_disk_keeps_its_base_even_if_nobody_claims_it(cache: ImageCache) -> None:
    source = nouns.Source(b"data" * 1024)
    cache.fetch(source)
    path = cache.base(source.meta).path
    assert cache.sweep([], 0, lambda: {path}) == [source.meta.id]
    assert path.exists()
    assert cache.sweep([], 0, nothing) == []
    assert not path.exists()


def test_use_makes_young(cache: ImageCache) -> None:
    source = nouns.Source(b"data" * 1024)
    cache.fetch(source)
    path = cache.base(source.meta).path
    hour_ago = time.time() - 3600
    for file in (path, *(path.parent / "ids").iterdir()):
        os.utime(file, (hour_ago, hour_ago), follow_symlinks=False)
    cache.base(source.meta)
    assert cache.sweep([], 600, nothing) == []


def test_a_sweep_of_a_cache_that_never_was_is_fine(cache: ImageCache) -> None:
    assert cache.sweep([], 0, nothing) == []


def _hold(path: Path, held, release) -> None:
    with locked(path):
        held.set()
        release.wait(20)


def test_the_lock_holds_between_processes_and_dies_with_its_holder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    path = tmp_path / "lock"
    other = context.Process(target=_hold, args=(path, held, release))
    other.start()
    assert held.wait(20)
    before = time.monotonic()
    killer = _kill_soon(other)
    with locked(path):
        assert time.monotonic() - before > 0.05
    killer.join()
    other.join()


def _kill_soon(process):
    import threading

    timer = threading.Timer(0.1, process.kill)
    timer.start()
    return timer


def test_a_header_that_is_none_is_no_qcow2() -> None:
    with pytest.raises(ValueError):
        qcow2.virtual_size_of(b"QFI")
    with pytest.raises(ValueError):
        qcow2.virtual_size_of(bytes(512))
