"""A cloud whose steps fail when a test says so, and what it may hold then: fixtures.

A module that names this in `pytest_plugins` has one such cloud, with its own `OPTIONS`.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults import Books, FaultyCloud
from tests.nova import Nova, furnish

WANTED = "The test wants it so."


class Failing(FaultyCloud):
    """With its books and its users."""

    books: Books
    nova: Nova

    def post(self, **values: Any) -> str:
        """Begin a launch; the server's id."""
        answer = self.nova.call("POST", "/servers", self.nova.request(**values))
        assert answer.status_code == 202, answer.text
        return str(answer.json()["server"]["id"])

    def act(self, server: str, action: str, value: object = None) -> str:
        """Begin an action; the id of the image it makes, if it says so."""
        answer = self.nova.act(server, action, value)
        assert answer.status_code == 202, answer.text
        return str(answer.json().get("image_id", "")) if answer.content else ""

    def failed(self, server_id: str, *words: str) -> str:
        """The server ends in ERROR with a fault of these words; the fault."""
        server = self.nova.settled(server_id)
        assert server["status"] == "ERROR", server
        message = str(server["fault"]["message"])
        assert all(word in message for word in words), message
        return message

    def last(self, server: str) -> str:
        """What the server's last action says of its failure."""
        actions = self.nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
        return str(actions[0]["message"])

    def nothing_left(self, server_id: str) -> None:
        """A server in ERROR or gone holds nothing, here or at a companion."""
        self.nova.until(lambda: not self.books.held_by(server_id), "nothing is held")
        self.nova.until(lambda: server_id not in self.guests(), "no guest is left")
        assert self.books.miscounted() == []

    def images(self) -> dict[str, str]:
        """name → status of the images of demo's own."""
        service = self.nova.connections["demo"].image
        return {i.name: i.status for i in service.images(visibility="private")}

    def volume_status(self, volume_id: str) -> str:
        return str(self.nova.connections["demo"].block_storage.get_volume(volume_id).status)


@pytest.fixture(scope="module")
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Failing]:
    cloud = Failing(tmp_path_factory.mktemp("failing"), options=request.module.OPTIONS)
    try:
        cloud.start()
        cloud.nova, cloud.books = furnish(cloud), Books(cloud)
        yield cloud
        cloud.books.close()
    finally:
        cloud.stop()


@pytest.fixture
def cloud(running: Failing) -> Iterator[Failing]:
    yield running
    running.gates.clear()
    service = running.nova.connections["demo"].image
    for image in service.images(visibility="private"):
        service.delete_image(image.id)
