"""Boot-and-delete rounds per second on the fake driver.

    .venv/bin/python tools/bench/storm.py [--profile embedded|full] [--clients 1,5,10] [--json]

A round is POST /servers, ACTIVE, DELETE, gone, seen by a client that polls:
every 20 ms at first, and then each fifth of the time it has waited.
The cloud is real but for the guests: real REST between the services, real
tokens, real databases and messages. The full profile needs the servers of
`tools/with-servers.sh python tools/bench/storm.py --profile full`.
"""

import argparse
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import figures

from tests.cloud import ALL_PROGRAMS, Cloud
from tests.full import full_cloud

POLL_SECONDS, POLL_GROWTH = 0.02, 0.2
ROUND_SECONDS = 60


class Client:
    """One client on one connection."""

    def __init__(self, url: str, token: str, body: dict[str, object]) -> None:
        self._url, self._body = f"{url}/servers", body
        self._session = requests.Session()
        self._session.headers.update(
            {"X-Auth-Token": token, "OpenStack-API-Version": "compute 2.37"}
        )

    def round(self) -> None:
        """Boot and delete one server; raises what went wrong."""
        answer = self._session.post(self._url, json={"server": self._body}, timeout=30)
        answer.raise_for_status()
        server = f"{self._url}/{answer.json()['server']['id']}"
        self._until(server, lambda r: r.json()["server"]["status"] == "ACTIVE")
        self._session.delete(server, timeout=30).raise_for_status()
        self._until(server, lambda r: r.status_code == 404)

    def _until(self, server: str, done: object) -> None:
        begin = time.monotonic()
        while (waited := time.monotonic() - begin) < ROUND_SECONDS:
            answer = self._session.get(server, timeout=30)
            if done(answer):  # type: ignore[operator]
                return
            if answer.ok and answer.json()["server"]["status"] == "ERROR":
                raise RuntimeError(answer.json()["server"]["fault"]["message"])
            time.sleep(max(POLL_SECONDS, waited * POLL_GROWTH))
        raise TimeoutError(f"{server} did not get there within {ROUND_SECONDS} s")


def storm(clients: list[Client], seconds: float) -> tuple[float, list[float]]:
    """All clients at once for `seconds`: rounds per second, and each round's time."""
    times: list[float] = []
    failures: list[Exception] = []
    begin = time.monotonic()

    def work(client: Client) -> None:
        while time.monotonic() < begin + seconds:
            started = time.monotonic()
            try:
                client.round()
            except Exception as error:
                failures.append(error)
                return
            times.append(time.monotonic() - started)

    threads = [threading.Thread(target=work, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise SystemExit(f"{len(failures)} clients failed; the first: {failures[0]!r}")
    return len(times) / (time.monotonic() - begin), times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=("embedded", "full"), default="embedded")
    parser.add_argument("--clients", default="1,5,10")
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="minova-storm.") as folder:
        # As installed: the tests' clouds check every answer against its schema.
        unlimited = {
            "quota": dict.fromkeys(("instances", "cores", "ram"), -1),
            "api": {"response_validation": "ignore"},
        }
        if options.profile == "full":
            cloud = full_cloud(Path(folder), options=unlimited)
        else:
            cloud = Cloud(Path(folder), options=unlimited)
        try:
            result = measure(cloud.start(), options)
        finally:
            cloud.stop()
    figures.show(result, options.json)


def measure(cloud: Cloud, options: argparse.Namespace) -> dict[str, object]:
    admin = cloud.connect("admin")
    flavor = admin.compute.create_flavor(name="storm", ram=1, vcpus=1, disk=1)
    data = os.urandom(4096)
    image = admin.image.create_image(
        "storm", data=data, disk_format="raw", container_format="bare", visibility="public"
    )
    network = admin.network.create_network(name="storm", is_shared=True)
    admin.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.200.0.0/16")
    demo = cloud.connect("demo")
    body: dict[str, object] = {
        "name": "storm",
        "imageRef": image.id,
        "flavorRef": flavor.id,
        "networks": [{"uuid": network.id}],
    }
    url = f"http://127.0.0.1:{cloud.ports['api']}/v2.1"
    result: dict[str, object] = {"profile": options.profile}
    for count in (int(number) for number in options.clients.split(",")):
        clients = [Client(url, demo.auth_token, body) for _ in range(count)]
        storm(clients, 2)
        rate, times = storm(clients, options.seconds)
        result[f"rounds_per_s_{count}_clients"] = round(rate, 1)
        result[f"round_s_{count}_clients"] = figures.summary(times)
    return result


if __name__ == "__main__":
    assert ALL_PROGRAMS
    main()
