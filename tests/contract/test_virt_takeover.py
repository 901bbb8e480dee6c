"""What every virt driver keeps when a delete comes while it waits for a guest."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from minova.common import errors
from minova.model import states
from minova.model.instance import Instance
from tests.contract.virt_rig import Rig
from tests.integration import sector_guest
from tests.unit.virt import nouns

pytest_plugins = ["tests.contract.virt_rig"]
Waiting = Callable[[Rig, Instance, Callable[[], bool]], object]
# Seconds; without a delete, each of them waits for a minute.
SOON = 5.0
WAITS: dict[str, Waiting] = {
    "stop": lambda rig, server, deleted: rig.driver.power_off(server, 60, deleted),
    "reboot": lambda rig, server, deleted: rig.driver.reboot(server, [], False, 60, deleted),
    "resize": lambda rig, server, deleted: rig.driver.migrate_out(
        server, str(uuid4()), replace(server.flavor, root_gb=2), deleted
    ),
}


def deaf(rig: Rig) -> Instance:
    """A running server that does not hear its power button."""
    image = rig.image(sector_guest.image("HELLO", button=False))
    server = nouns.instance_of(image)
    rig.driver.make_disks(server, image)
    rig.driver.spawn(server, image, [], [], None)
    if rig.is_fake:
        rig.driver.host.deaf.add(server.uuid)
    rig.line_count(server, 1)
    return server


@pytest.mark.parametrize("action", WAITS)
def test_a_delete_does_not_wait_for_a_guest_that_does_not_react(rig: Rig, action: str) -> None:
    server, deleted, failures = deaf(rig), threading.Event(), []

    def wait() -> None:
        try:
            WAITS[action](rig, server, deleted.is_set)
        except errors.Conflict as error:
            failures.append(error.message)

    waiting = threading.Thread(target=wait)
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive(), "it did not wait for the guest at all"
    began = time.monotonic()
    deleted.set()
    waiting.join(SOON)
    assert time.monotonic() - began < SOON
    assert failures == [f"Server {server.uuid} is not waited for: it is taken over."]
    assert rig.driver.power_state(server) == states.RUNNING
    rig.driver.destroy(server)
    assert rig.driver.power_state(server) == states.NOSTATE
