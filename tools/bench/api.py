"""What requests of the compute API cost: lists of 10, 100 and 1,000 servers, one server, a POST.

    .venv/bin/python tools/bench/api.py [--servers 10,100,1000] [--clients 1,5,10] [--json]

A cloud of its own with the fake driver is asked over HTTP, with a real token:
wall time of a request (median, p95) and requests per second. Servers beyond
the first are copies of it in the database, so that a thousand of them need
no thousand launches. The same requests are then answered in this process:
CPU time and database queries of one request, which a loaded machine does not
change. The queries must not depend on the number of servers.
"""

import argparse
import gc
import os
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import requests
import sqlalchemy as sa
from falcon import testing

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
sys.path.insert(0, str(Path(__file__).resolve().parent))
import figures

from minova.api import app
from minova.cmd import start
from minova.common.context import RequestContext
from minova.db import tables
from minova.db.engine import Database
from tests.cloud import Cloud
from tests.nova import Nova, furnish

VERSION = "2.96"
WARM_UP = 3


class Copies:
    """Copies of one server's rows in the cloud's database."""

    def __init__(self, db: Database, server_id: str) -> None:
        self._db, self._made = db, 0
        with db.reading() as connection:
            own = tables.instances.select().where(tables.instances.c.uuid == server_id)
            self._row = dict(connection.execute(own).one()._mapping)
            devices = tables.block_devices.select().where(
                tables.block_devices.c.instance_uuid == server_id
            )
            self._devices = [dict(row._mapping) for row in connection.execute(devices)]
        for key in ("id", "metadata"):
            self._row.setdefault("metadata_", self._row.get("metadata"))
            self._row.pop(key, None)

    def up_to(self, count: int) -> None:
        """Make as many as are missing to `count` servers in all."""
        while self._made < count - 1:
            new = str(uuid.uuid4())
            name = f"copy-{self._made}"
            with self._db.transaction() as connection:
                row = {**self._row, "uuid": new, "name": name, "hostname": name}
                connection.execute(tables.instances.insert(), row)
                for device in self._devices:
                    own = {"id": str(uuid.uuid4()), "instance_uuid": new}
                    connection.execute(tables.block_devices.insert(), {**device, **own})
            self._made += 1


class Inside:
    """nova-api in this process, on the cloud's database: what a request costs by itself."""

    def __init__(self, db: Database, project: str) -> None:
        self._queries = 0
        sa.event.listen(db.engine, "before_cursor_execute", self._count)
        ctxt = RequestContext(
            user_id="bench", project_id=project, roles=["member", "reader"], overwrite=False
        )
        self._client = testing.TestClient(app.build(db, authenticate=lambda req: ctxt))
        # As the service does when it is ready.
        gc.collect()
        gc.freeze()

    def _count(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self._queries += not statement.startswith("BEGIN")

    def cost(self, path: str, rounds: int) -> tuple[list[float], float]:
        """CPU milliseconds of each of some requests, and the queries of one."""
        times = []
        for number in range(WARM_UP + rounds):
            if number == WARM_UP:
                self._queries = 0
            begin = time.thread_time()
            answer = self._client.simulate_get(
                path, headers={"OpenStack-API-Version": f"compute {VERSION}"}
            )
            if number >= WARM_UP:
                times.append((time.thread_time() - begin) * 1000)
            assert answer.status_code == 200, answer.text
        return times, self._queries / rounds


def timed(nova: Nova, method: str, path: str, body: Any, rounds: int, clients: int) -> list[float]:
    """Milliseconds of each request, by `clients` at the same time on a connection of their own."""
    times: list[float] = []

    def work() -> None:
        session = requests.Session()
        session.headers.update(
            {
                "X-Auth-Token": nova.tokens["demo"],
                "OpenStack-API-Version": f"compute {VERSION}",
            }
        )
        for number in range(WARM_UP + rounds):
            begin = time.monotonic()
            answer = session.request(method, nova.url + path, json=body, timeout=120)
            if number >= WARM_UP:
                times.append((time.monotonic() - begin) * 1000)
            assert answer.ok, answer.text

    threads = [threading.Thread(target=work) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(times) == rounds * clients, "a client failed"
    return times


def measure(cloud: Cloud, options: argparse.Namespace) -> dict[str, Any]:
    nova = furnish(cloud)
    first = nova.launch(name="first", metadata={"role": "web"}, tags=["blue"])
    start.configure("minova", [str(cloud.config_file)])
    db = Database(cloud.databases["database"])
    inside, copies = Inside(db, nova.project), Copies(db, first)
    result: dict[str, Any] = {}

    def add(name: str, path: str, rounds: int) -> None:
        begin = time.monotonic()
        times = timed(nova, "GET", path, None, rounds, 1)
        rate = (rounds + WARM_UP) / (time.monotonic() - begin)
        cpu, queries = inside.cost("/v2.1" + path, rounds)
        result[f"{name}_ms"] = figures.summary(times, 1)
        result[f"{name}_cpu_ms"] = figures.summary(cpu, 1)
        result[f"{name}_requests_per_s"] = round(rate, 1)
        result[f"{name}_queries"] = queries

    add("one_server", f"/servers/{first}", options.rounds * 5)
    for count in (int(number) for number in options.servers.split(",")):
        copies.up_to(count)
        add(f"detail_{count}", f"/servers/detail?limit={count}", options.rounds)
    for count in (int(number) for number in options.clients.split(",")):
        begin = time.monotonic()
        body = nova.request(name="posted", networks="none")
        times = timed(nova, "POST", "/servers", body, options.rounds, count)
        rate = count * (options.rounds + WARM_UP) / (time.monotonic() - begin)
        result[f"post_{count}_clients_ms"] = figures.summary(times, 1)
        result[f"post_{count}_clients_requests_per_s"] = round(rate, 1)
    result["token_first_seen_ms"] = figures.summary([_first(cloud, nova) for _ in range(10)], 1)
    return result


def _first(cloud: Cloud, nova: Nova) -> float:
    """Milliseconds of a small request with a token that nova-api has never seen."""
    token = cloud.connect("demo").auth_token
    begin = time.monotonic()
    headers = {"X-Auth-Token": token}
    requests.get(f"{nova.url}/flavors", headers=headers, timeout=60).raise_for_status()
    return (time.monotonic() - begin) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--servers", default="10,100,1000")
    parser.add_argument("--clients", default="1,5,10")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="minova-api.") as folder:
        unlimited = {
            "quota": dict.fromkeys(("instances", "cores", "ram"), -1),
            "api": {"response_validation": "ignore"},
        }
        cloud = Cloud(Path(folder), options=unlimited)
        try:
            result = measure(cloud.start(), options)
        finally:
            cloud.stop()
    result["load_average"] = round(os.getloadavg()[0], 1)
    figures.show(result, options.json)


if __name__ == "__main__":
    main()
