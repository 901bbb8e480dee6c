"""Rounds in which requests for one server meet: create, resize, snapshot, delete.

Each lets them meet at another moment of the server's life. What a request is
refused with is its own affair, as long as a client can understand it.
"""

import itertools
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.faults import Books, FaultyCloud
from tests.nova import Nova

# Accepted, or refused because another was faster.
FINE = (200, 202, 204, 400, 404, 409)


@dataclass
class Race:
    """A cloud to race on; `ready` waits for a guest that is ACTIVE to be up."""

    cloud: FaultyCloud
    nova: Nova
    books: Books
    larger: str
    ready: Callable[[str], None] = lambda server: None
    volumes: list[str] = field(default_factory=list)

    def run(self, rounds: int, workers: int) -> list["Round"]:
        """So many rounds, `workers` at a time; the first of them have a volume of `volumes`."""
        numbers, done = itertools.count(), list[Round]()

        def work(worker: int) -> None:
            volume = self.volumes[worker] if worker < len(self.volumes) else None
            while (number := next(numbers)) < rounds:
                done.append(Round(self, number, volume))
                done[-1].run()

        began = time.monotonic()
        with ThreadPoolExecutor(workers) as pool:
            for each in [pool.submit(work, worker) for worker in range(workers)]:
                each.result()
        print(f"{rounds} rounds in {time.monotonic() - began:.1f} s")
        return done

    def nothing_is_left(self, rounds: list["Round"]) -> None:
        """Of no server, in no book; and no half-made image."""
        assert [problem for each in rounds for problem in each.problems] == []
        for each in rounds:
            held = each.server
            self.nova.until(lambda held=held: not self.books.held_by(held), f"{held} holds nothing")
        assert self.books.miscounted() == []
        for group, query in _LEFT:
            assert self.books.ask(group, query) == [], query
        assert [path.name for path in (self.cloud.folder / "exports").glob("*.sock")] == []
        images = self.nova.connections["demo"].image
        made = [image for image in images.images() if image.name.startswith("race-")]
        assert {image.status for image in made} <= {"active"}
        for image in made:
            images.delete_image(image)
        query = "SELECT status, COUNT(*) FROM migrations GROUP BY status"
        ended = dict(self.books.ask("database", query))
        print(f"{len(made)} images; resizes ended: {ended}")
        # Each end that a resize can have was met.
        assert set(ended) == {"confirmed", "reverted", "error"}


_LEFT = (
    ("database", "SELECT * FROM work"),
    ("database", "SELECT * FROM allocations"),
    ("database", "SELECT uuid, vm_state, task_state FROM instances WHERE deleted_at IS NULL"),
    ("network", "SELECT id FROM ports WHERE device_owner LIKE 'compute%'"),
    ("volume", "SELECT id FROM attachments"),
)


class Round:
    """One server's short life; `number` decides what meets what, and when."""

    def __init__(self, race: Race, number: int, volume: str | None) -> None:
        self.race, self.nova, self.number, self.volume = race, race.nova, number, volume
        self.problems: list[object] = []
        self.server = ""

    def run(self) -> None:
        self._create()
        _MEETINGS[self.number % len(_MEETINGS)](self)
        self._delete()
        self._until(lambda: self._status() is None, "gone")

    def _create(self) -> None:
        device = {"source_type": "volume", "destination_type": "volume", "uuid": self.volume}
        body = self.nova.request(
            name=f"race-{self.number}", block_device_mapping_v2=[device] if self.volume else None
        )
        answer = self.nova.call("POST", "/servers", body)
        assert answer.status_code == 202, answer.text
        self.server = str(answer.json()["server"]["id"])

    def during_the_build(self) -> None:
        self._meet(self._resize, self._snapshot, self._delete)

    def on_a_running_server(self) -> None:
        self._active()
        self._meet(self._resize, self._snapshot, self._delete)

    def before_the_confirmation(self) -> None:
        self._active()
        self._resize()
        self._until(lambda: self._status() in ("VERIFY_RESIZE", "ERROR"), "resized")
        if self._status() == "ERROR":
            self.problems.append(f"round {self.number}: the resize failed")
        self._meet(self._confirm, self._revert, self._delete)

    def without_a_delete(self) -> None:
        self._active()
        self._meet(self._snapshot, self._resize, self._resize)
        self.nova.settled(self.server)
        self._meet(self._confirm, self._revert)
        self.nova.settled(self.server)

    def _active(self) -> None:
        self._until(lambda: self._status() == "ACTIVE", "active")
        self.race.ready(self.server)

    def _resize(self) -> None:
        self._post("resize", {"flavorRef": self.race.larger})

    def _snapshot(self) -> None:
        self._post("createImage", {"name": f"race-{self.number}"})

    def _confirm(self) -> None:
        self._post("confirmResize", None)

    def _revert(self) -> None:
        self._post("revertResize", None)

    def _delete(self) -> None:
        self._act("DELETE", f"/servers/{self.server}")

    def _post(self, action: str, value: object) -> None:
        self._act("POST", f"/servers/{self.server}/action", {action: value})

    def _act(self, method: str, path: str, body: object = None) -> None:
        answer = self.nova.call(method, path, body)
        if answer.status_code not in FINE:
            self.problems.append((self.number, method, body, answer.status_code, answer.text))

    def _meet(self, *requests: Callable[[], None]) -> None:
        """All at once, each a little later than the one before; who is first changes, too."""
        turn = self.number // len(_MEETINGS)
        first = turn % len(requests)
        in_order = requests[first:] + requests[:first]
        gap = 0.004 * (turn % 12)

        def late(request: Callable[[], None], seconds: float) -> None:
            time.sleep(seconds)
            request()

        threads = [
            threading.Thread(target=late, args=(request, place * gap))
            for place, request in enumerate(in_order)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _status(self) -> str | None:
        answer = self.nova.call("GET", f"/servers/{self.server}")
        return str(answer.json()["server"]["status"]) if answer.status_code == 200 else None

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        self.nova.until(condition, f"server {self.server} of round {self.number} is {what}")


_MEETINGS: tuple[Callable[[Round], None], ...] = (
    Round.during_the_build,
    Round.on_a_running_server,
    Round.before_the_confirmation,
    Round.without_a_delete,
)
