"""The programs minova-identity and minova-image, as they are shipped, with real tokens."""

import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.cloud import Cloud

MIB = 1024**2


class TwoServices(Cloud):
    """An identity and an image service, each a process."""

    def wait_ready(self) -> None:
        deadline = time.monotonic() + 60
        for name in ("identity", "image"):
            while True:
                try:
                    requests.get(self.url(name), timeout=5)
                    break
                except requests.ConnectionError:
                    assert time.monotonic() < deadline, f"the {name} service does not answer"

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def openstack(self, *words: str, user: str = "demo") -> str:
        done = self.client("openstack", *words, user=user)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def headers(self) -> dict[str, str]:
        token = self.openstack("token", "issue", "-f", "value", "-c", "id").strip()
        return {"X-Auth-Token": token, "Content-Type": "application/octet-stream"}

    def queued(self, headers: dict[str, str]) -> str:
        body = {"disk_format": "raw", "container_format": "bare"}
        answer = requests.post(
            f"{self.url('image')}/v2/images",
            json=body,
            headers=headers | {"Content-Type": "application/json"},
            timeout=20,
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def resident_peak(self) -> int:
        """Bytes `minova-image` has had resident at most."""
        status = Path(f"/proc/{self.processes['minova-image'].pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) * 1024


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoServices]:
    cloud = TwoServices(
        tmp_path_factory.mktemp("two"), programs=["minova-identity", "minova-image"]
    )
    try:
        yield cloud.start()
    finally:
        cloud.stop()


def test_a_user_with_a_password_keeps_an_image(two: TwoServices, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(os.urandom(3 * MIB))
    made = two.openstack(
        *("image", "create", "--disk-format", "raw", "--file", str(tmp_path / "raw")),
        *("-f", "json", "mine"),
    )
    assert json.loads(made)["status"] == "active"
    assert "mine" in two.openstack("image", "list")
    two.openstack("image", "set", "--public", "mine", user="admin")
    two.openstack("image", "save", "--file", str(tmp_path / "copy"), "mine")
    assert (tmp_path / "copy").read_bytes() == (tmp_path / "raw").read_bytes()
    two.openstack("image", "delete", "mine")


def test_cve_2026_22797_identity_headers_of_a_client_count_for_nothing(two: TwoServices) -> None:
    forged = {
        "X-Identity-Status": "Confirmed",
        "X-Roles": "admin,service",
        "X-Project-Id": "demo",
        "X-User-Id": "root",
    }
    nobody = requests.get(f"{two.url('image')}/v2/images", headers=forged, timeout=20)
    assert nobody.status_code == 401 and nobody.json()["code"] == "401 Unauthorized"
    assert "Keystone" in nobody.headers["WWW-Authenticate"]
    somebody = requests.post(
        f"{two.url('image')}/v2/images",
        json={"visibility": "public"},
        headers=forged | two.headers() | {"Content-Type": "application/json"},
        timeout=20,
    )
    assert somebody.status_code == 403


def test_a_large_image_passes_through_little_memory(two: TwoServices) -> None:
    headers, block, digest = two.headers(), os.urandom(MIB), hashlib.sha512()
    image = two.queued(headers)
    url, before = f"{two.url('image')}/v2/images/{image}/file", two.resident_peak()

    def blocks() -> Iterator[bytes]:
        for _ in range(200):
            digest.update(block)
            yield block

    assert requests.put(url, data=blocks(), headers=headers, timeout=120).status_code == 204
    got = hashlib.sha512()
    with requests.get(url, headers=headers, stream=True, timeout=120) as answer:
        for piece in answer.iter_content(MIB):
            got.update(piece)
    assert got.hexdigest() == digest.hexdigest()
    assert two.resident_peak() - before < 24 * MIB
    requests.delete(url.removesuffix("/file"), headers=headers, timeout=20)


def test_an_upload_without_a_token_costs_no_memory(two: TwoServices) -> None:
    before = two.resident_peak()
    answer = requests.put(f"{two.url('image')}/v2/images/x/file", data=bytes(150 * MIB), timeout=60)
    assert answer.status_code == 401
    assert two.resident_peak() - before < 24 * MIB


def test_kill_9_in_the_middle_of_an_upload_is_forgotten_at_the_next_start(
    two: TwoServices,
) -> None:
    headers = two.headers()
    image, parts = two.queued(headers), two.folder / "images" / "parts"
    with socket.create_connection(("127.0.0.1", two.ports["image"]), timeout=20) as peer:
        lines = [f"{k}: {v}" for k, v in headers.items()]
        head = [
            f"PUT /v2/images/{image}/file HTTP/1.1",
            "Host: x",
            *lines,
            "Content-Length: 9999999",
        ]
        peer.sendall("\r\n".join([*head, "", ""]).encode() + bytes(4 * MIB))
        wait_until(lambda: any(p.stat().st_size for p in parts.iterdir()))
        two.kill("minova-image")
    assert len(list(parts.iterdir())) == 1
    two.start_program("minova-image")
    two.wait_ready()
    wait_until(lambda: not list(parts.iterdir()))
    path = f"{two.url('image')}/v2/images/{image}"
    wait_until(lambda: requests.get(path, headers=headers, timeout=20).json()["status"] == "queued")
    assert requests.put(f"{path}/file", data=b"again", headers=headers, timeout=20).ok
    assert requests.get(f"{path}/file", headers=headers, timeout=20).content == b"again"


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
