"""Bytes go in and out whole, in flat memory, or leave nothing behind."""

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from minova.companions.image import queries

MIB = 1024**2
IMPORT = {"method": {"name": "glance-direct"}}
DISK = bytes(MIB) * 3 + b"end"


class Slow:
    """A body whose second half waits for `go`."""

    def __init__(self, data: bytes = DISK) -> None:
        self._data, self.half, self.go = data, threading.Event(), threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        middle = len(self._data) // 2
        yield self._data[:middle]
        self.half.set()
        assert self.go.wait(20)
        yield self._data[middle:]


def stage(user: Any, image_id: str, data: Any) -> Any:
    headers = {"Content-Type": "application/octet-stream"}
    return user.put(f"/v2/images/{image_id}/stage", data=data, headers=headers)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 4096, 256 * 1024 + 1, 3 * MIB + 17])
@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_downloaded_is_what_was_uploaded(demo: Any, size: int, chunked: bool) -> None:
    data = os.urandom(size)
    image = demo.make((piece for piece in (data[:100], data[100:]) if piece) if chunked else data)
    assert image["status"] == "active"
    assert (image["size"], image["virtual_size"]) == (size, size)
    assert image["os_hash_algo"] == "sha512"
    assert image["os_hash_value"] == hashlib.sha512(data).hexdigest()
    assert image["checksum"] == hashlib.md5(data).hexdigest()
    answer = demo.get(image["file"])
    assert answer.content == data
    assert answer.headers["Content-MD5"] == image["checksum"]
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert int(answer.headers["Content-Length"]) == size


def test_the_virtual_size_is_the_disks(demo: Any, disk: Callable[..., bytes]) -> None:
    image = demo.make(disk("qcow2", "64M"), disk_format="qcow2")
    assert image["virtual_size"] == 64 * MIB and image["size"] < MIB


@pytest.mark.parametrize(
    ("wanted", "status", "part"),
    [
        ("bytes=0-3", 206, slice(0, 4)),
        ("bytes=5-", 206, slice(5, None)),
        ("bytes=-3", 206, slice(-3, None)),
        ("bytes=0-9999", 206, slice(None)),
        ("bytes=-9999", 206, slice(None)),
        ("bytes=3-1", 200, slice(None)),
        ("bytes=-", 200, slice(None)),
        ("bytes=0-1,3-4", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        ("bytes=10-", 416, None),
        ("bytes=-0", 416, None),
    ],
)
def test_a_part_can_be_downloaded(demo: Any, wanted: str, status: int, part: slice | None) -> None:
    image = demo.make(b"0123456789")
    answer = demo.get(image["file"], headers={"Range": wanted})
    assert answer.status_code == status
    if part is not None:
        assert answer.content == b"0123456789"[part]


def test_an_image_without_data_has_none_to_download(demo: Any) -> None:
    assert demo.get(demo.create()["file"]).status_code == 204


def test_lost_data_answers_404_not_500(cloud: Any, demo: Any) -> None:
    image = demo.make()
    cloud.store.delete(image["id"])
    assert demo.get(image["file"]).status_code == 404


def test_data_that_is_not_octets_is_refused(demo: Any) -> None:
    image = demo.create()
    answer = demo.put(
        f"/v2/images/{image['id']}/file", data=b"<a/>", headers={"Content-Type": "application/xml"}
    )
    assert answer.status_code == 415


def test_an_upload_needs_both_formats(demo: Any, cloud: Any) -> None:
    image = demo.post("/v2/images", {"name": "x"}).json()
    answer = demo.upload(image["id"], b"x")
    assert answer.status_code == 400 and "disk_format" in answer.json()["message"]
    assert cloud.files() == [] and demo.show(image["id"])["status"] == "queued"


def test_an_image_is_staged_and_imported(demo: Any, cloud: Any) -> None:
    image = demo.create()["id"]
    assert demo.post(f"/v2/images/{image}/import", IMPORT).status_code == 409
    assert stage(demo, image, DISK).status_code == 204
    staged = demo.show(image)
    assert (staged["status"], staged["checksum"]) == ("uploading", None)
    assert demo.upload(image, b"other").status_code == 409
    assert demo.post(f"/v2/images/{image}/import", IMPORT).status_code == 202
    assert demo.show(image)["status"] == "active"
    assert demo.get(f"/v2/images/{image}/file").content == DISK
    assert demo.post(f"/v2/images/{image}/import", IMPORT).status_code == 409
    assert cloud.files() == [image]


def test_staged_data_is_imported_once_however_many_ask(demo: Any, cloud: Any) -> None:
    image = demo.create()["id"]
    stage(demo, image, DISK)
    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(
            lambda user: user.post(f"/v2/images/{image}/import", IMPORT).status_code,
            [cloud.user() for _ in range(4)],
        )
        assert sorted(answers) == [202, 409, 409, 409]
    assert demo.get(f"/v2/images/{image}/file").content == DISK


def test_a_staged_image_deleted_leaves_nothing(demo: Any, cloud: Any) -> None:
    image = demo.create()["id"]
    stage(demo, image, DISK)
    assert demo.delete(f"/v2/images/{image}").status_code == 204
    assert cloud.files() == []


@pytest.mark.parametrize(
    "headers", [{"X-OpenStack-Image-Size": size} for size in ("7", "3", "x", "-5")]
)
def test_a_wrong_announced_size_is_refused(demo: Any, cloud: Any, headers: Any) -> None:
    image = demo.create()["id"]
    assert demo.upload(image, b"12345", **headers).status_code == 400
    assert demo.upload(image, iter([b"12345"]), **headers).status_code == 400
    assert demo.show(image)["status"] == "queued" and cloud.files() == []


def send(cloud: Any, image: str, head: bytes, body: bytes) -> None:
    """A client that goes away in the middle of its upload."""
    with socket.create_connection(("127.0.0.1", cloud.server.port), timeout=20) as peer:
        peer.sendall(
            b"PUT /v2/images/" + image.encode() + b"/file HTTP/1.1\r\nHost: x\r\n"
            b"X-Auth-Token: demo:member,reader\r\nContent-Type: application/octet-stream\r\n"
            + head + b"\r\n\r\n" + body
        )  # fmt: skip
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(65536):
            pass


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Length: 5000000", b"x" * 2_000_000),
        (b"Content-Length: 100", b""),
        (b"Transfer-Encoding: chunked", b"100000\r\n" + b"x" * 5000),
        (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n"),
        (b"Transfer-Encoding: chunked", b"zz\r\nhello\r\n"),
    ],
)
def test_an_upload_cut_off_leaves_the_image_queued_and_no_bytes(
    cloud: Any, demo: Any, head: bytes, body: bytes
) -> None:
    image = demo.create()["id"]
    send(cloud, image, head, body)
    assert demo.show(image)["status"] == "queued" and cloud.files() == []
    assert demo.upload(image, DISK).status_code == 204
    assert demo.get(f"/v2/images/{image}/file").content == DISK


def test_a_second_upload_beside_the_first_is_refused(cloud: Any, demo: Any) -> None:
    image, body = demo.create()["id"], Slow()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(cloud.user().upload, image, iter(body))
        assert body.half.wait(20)
        second = cloud.user()
        second.wait_while(image, "queued")
        assert second.show(image)["status"] == "saving"
        refused = second.upload(image, b"mine")
        assert refused.status_code == 409 and "saving" in refused.json()["message"]
        assert second.get(f"/v2/images/{image}/file").status_code == 204
        body.go.set()
        assert first.result(20).status_code == 204
    assert demo.get(f"/v2/images/{image}/file").content == DISK
    assert cloud.files() == [image]


def test_uploads_and_downloads_run_side_by_side(cloud: Any) -> None:
    bodies = [os.urandom(2 * MIB + n) for n in range(12)]

    def trip(data: bytes) -> bool:
        user = cloud.user()
        return bool(user.get(user.make(data)["file"]).content == data)

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(trip, bodies))
    assert len(cloud.files()) == 12


def test_too_large_an_image_is_refused_with_and_without_a_length(small_cloud: Any) -> None:
    demo = small_cloud.user()
    image = demo.create()["id"]
    for data in (bytes(MIB + 1), iter([bytes(MIB), b"x"])):
        answer = demo.upload(image, data)
        assert answer.status_code == 413 and str(MIB) in answer.json()["message"]
    assert demo.show(image)["status"] == "queued" and small_cloud.files() == []
    assert demo.upload(image, bytes(MIB)).status_code == 204


def test_more_uploads_than_allowed_are_told_to_wait(small_cloud: Any) -> None:
    demo = small_cloud.user()
    first, second, body = demo.create()["id"], demo.create()["id"], Slow(bytes(9000))
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(small_cloud.user().upload, first, iter(body))
        assert body.half.wait(20)
        demo.wait_while(first, "queued")
        answer = small_cloud.user().upload(second, b"x")
        assert answer.status_code == 503 and "try again" in answer.json()["message"]
        body.go.set()
        assert running.result(20).status_code == 204
    assert demo.upload(second, b"x").status_code == 204


def test_a_full_store_says_so_and_keeps_nothing(
    cloud: Any, demo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # /dev/full fails every write with ENOSPC, as a full disk does.
    full = os.open("/dev/full", os.O_WRONLY)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(full if len(data) > 9000 else fd, data))
    image = demo.create()["id"]
    answer = demo.upload(image, DISK)
    os.close(full)
    assert answer.status_code == 413 and "no room" in answer.json()["message"]
    assert demo.show(image)["status"] == "queued" and cloud.files() == []


def test_30_mb_go_in_and_out_in_flat_memory(cloud: Any, demo: Any) -> None:
    def blocks() -> Iterator[bytes]:
        for _ in range(30):
            yield block

    block, image = os.urandom(MIB), demo.create()["id"]
    tracemalloc.start()
    try:
        assert demo.upload(image, blocks()).status_code == 204
        answer = demo.get(f"/v2/images/{image}/file", stream=True)
        assert sum(len(piece) for piece in answer.iter_content(65536)) == 30 * MIB
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * MIB, f"{peak / MIB:.1f} MiB for client and server"


def test_a_process_killed_while_uploading_leaves_no_bytes_after_the_next_start(
    cloud: Any, demo: Any
) -> None:
    """A child starts an upload to the same store and database, and dies by SIGKILL."""
    image = demo.create()["id"]
    program = """
import sys, minova
from minova.companions.image.store import Store
from minova.companions.image.transfer import Limits, Transfers
from minova.db.engine import Database
class Endless:
    sent = 0
    def read(self, size):
        self.sent += 1
        if self.sent == 3:
            print("half", flush=True)
            sys.stdin.read()
        return bytes(size)
db = Database(sys.argv[1])
transfers = Transfers(db, Store(sys.argv[2]), Limits(2**40, 2**40, 1))
transfers.upload(sys.argv[3], Endless(), None)
"""
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            program,
            cloud.db.url.render_as_string(hide_password=False),
            str(cloud.folder),
            image,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None and child.stdout.readline() == b"half\n"
    cloud.transfers.sweep()
    assert demo.show(image)["status"] == "saving", "the sweep took a living upload"
    assert len(cloud.files()) == 1
    child.send_signal(signal.SIGKILL)
    child.wait(20)
    cloud.transfers.sweep()
    assert demo.show(image)["status"] == "queued" and cloud.files() == []
    assert demo.upload(image, DISK).status_code == 204


@pytest.mark.parametrize("renamed", [False, True])
def test_a_crash_before_the_last_step_is_undone_by_the_sweep(
    cloud: Any, demo: Any, renamed: bool
) -> None:
    image, token = demo.create()["id"], "0" * 32
    part = cloud.store.begin(image, token)
    queries.move(cloud.db, image, ("queued",), "saving", upload=token)
    part.write(DISK)
    if renamed:
        part.commit()
    cloud.transfers.sweep()
    assert len(cloud.files()) == 1, "the sweep took a living upload"
    part.close()
    cloud.transfers.sweep()
    assert demo.show(image)["status"] == "queued" and cloud.files() == []


def test_the_sweep_keeps_staged_and_active_data_and_removes_a_deleted_images(
    cloud: Any, demo: Any
) -> None:
    staged, active, deleted = demo.create()["id"], demo.make()["id"], demo.make()["id"]
    stage(demo, staged, DISK)
    queries.delete(cloud.db, deleted)  # the process died before it removed the file
    cloud.store.begin(str(active), "f" * 32).close()  # and a part without a row
    cloud.transfers.sweep()
    assert cloud.files() == sorted([active, *(f for f in cloud.files() if f.startswith("parts/"))])
    assert len(cloud.files()) == 2
    assert demo.post(f"/v2/images/{staged}/import", IMPORT).status_code == 202
    assert demo.get(f"/v2/images/{staged}/file").content == DISK


def test_a_lost_connection_at_the_last_step_does_not_lose_the_image(
    cloud: Any, demo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit arrived, its answer did not; the retry finds the image active."""
    real = queries.move

    def move(db: Any, image_id: str, source: Any, target: str, **values: Any) -> bool:
        done = real(db, image_id, source, target, **values)
        return False if target == "active" else done

    monkeypatch.setattr(queries, "move", move)
    image = demo.create()["id"]
    assert demo.upload(image, DISK).status_code == 204
    assert demo.get(f"/v2/images/{image}/file").content == DISK


@pytest.mark.parametrize("arrived", [False, True])
def test_a_database_that_dies_at_the_last_step_keeps_data_and_status_together(
    cloud: Any, demo: Any, monkeypatch: pytest.MonkeyPatch, arrived: bool
) -> None:
    real = queries.move

    def move(db: Any, image_id: str, source: Any, target: str, **values: Any) -> bool:
        if target == "active":
            if arrived:
                real(db, image_id, source, target, **values)
            raise sa.exc.OperationalError("COMMIT", {}, Exception("the server is gone"))
        return real(db, image_id, source, target, **values)

    monkeypatch.setattr(queries, "move", move)
    image = demo.create()["id"]
    assert demo.upload(image, DISK).status_code == 500
    if arrived:
        assert demo.show(image)["status"] == "active"
        assert demo.get(f"/v2/images/{image}/file").content == DISK
    else:
        assert demo.show(image)["status"] == "queued" and cloud.files() == []


def test_a_download_that_is_broken_off_leaves_no_file_open(cloud: Any, demo: Any) -> None:
    image = demo.make(os.urandom(20 * MIB))

    def open_files() -> int:
        return sum(
            os.path.realpath(f"/proc/self/fd/{fd}").startswith(str(cloud.folder))
            for fd in os.listdir("/proc/self/fd")
        )

    for _ in range(3):
        answer = cloud.user().get(image["file"], stream=True)
        next(answer.iter_content(1024))
        answer.close()
    deadline = time.monotonic() + 20
    while open_files():
        assert time.monotonic() < deadline
