"""Uploads and downloads of an image against `cp` and `sha512sum` of the same file.

    .venv/bin/python tools/bench/images.py [--mib 200] [--rounds 5] [--json]

An upload receives, hashes (sha512 and md5), inspects, writes and syncs; the
yardstick copies the file and hashes the copy. Rounds are
interleaved, so that both sides meet the same load. curl is the client.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import figures

from tests.cloud import Cloud

MIB = 1024**2


class ImageBench:
    """A running image service (with identity), and one file to move."""

    def __init__(self, cloud: Cloud, source: Path, token: str) -> None:
        self._url = f"http://127.0.0.1:{cloud.ports['image']}/v2/images"
        self._source, self._copy = source, source.with_suffix(".copy")
        self._headers = {"X-Auth-Token": token}
        self._image = ""

    def yardstick(self) -> None:
        """What a person would do by hand."""
        subprocess.run(["cp", self._source, self._copy], check=True)
        subprocess.run(["sha512sum", self._copy], check=True, stdout=subprocess.DEVNULL)

    def upload(self) -> None:
        self._curl("-H", "Content-Type: application/octet-stream", "-T", str(self._source))

    def download(self) -> None:
        self._curl("-o", str(self._copy))

    def begin(self) -> None:
        """A queued image, not counted."""
        body = {"disk_format": "raw", "container_format": "bare"}
        answer = requests.post(self._url, json=body, headers=self._headers, timeout=30)
        answer.raise_for_status()
        self._image = answer.json()["id"]

    def end(self) -> None:
        """Remove the image and the copy, not counted."""
        url = f"{self._url}/{self._image}"
        requests.delete(url, headers=self._headers, timeout=30).raise_for_status()
        self._copy.unlink(missing_ok=True)

    def _curl(self, *words: str) -> None:
        token = f"X-Auth-Token: {self._headers['X-Auth-Token']}"
        url = f"{self._url}/{self._image}/file"
        subprocess.run(["curl", "-sS", "-f", "-H", token, *words, url], check=True)


class _Services(Cloud):
    def wait_ready(self) -> None:
        deadline = time.monotonic() + 60
        for name in ("identity", "image"):
            while True:
                try:
                    requests.get(f"http://127.0.0.1:{self.ports[name]}/", timeout=5)
                    break
                except requests.ConnectionError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.1)


def seconds(action: Callable[[], None]) -> float:
    begin = time.monotonic()
    action()
    return time.monotonic() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    times: dict[str, list[float]] = {"yardstick": [], "upload": [], "download": []}
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        source = Path(folder) / "source"
        with source.open("wb") as file:
            for _ in range(options.mib):
                file.write(os.urandom(MIB))
        cloud = _Services(Path(folder) / "cloud", programs=["minova-identity", "minova-image"])
        try:
            cloud.start()
            bench = ImageBench(cloud, source, str(cloud.connect().auth_token))
            for _ in range(options.rounds + 1):
                bench.begin()
                for name, taken in times.items():
                    taken.append(seconds(getattr(bench, name)))
                bench.end()
        finally:
            cloud.stop()
    # The first round fills the page cache.
    result: dict[str, Any] = {name: figures.summary(taken[1:]) for name, taken in times.items()}
    base = result["yardstick"]["median"]
    for name in ("upload", "download"):
        result[f"{name}_ratio"] = round(result[name]["median"] / base, 2)
    figures.show(result, options.json)


if __name__ == "__main__":
    main()
