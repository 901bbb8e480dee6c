"""What a host removes of instances that are not its own, and what it keeps for their way back."""

from dataclasses import replace
from typing import Any

import pytest

from minova.common import errors
from minova.common.context import service_context
from minova.compute.manager import ComputeManager
from minova.model.instance import Instance
from minova.virt.fake import FakeDriver, FakeHost
from tests.configuration import configure
from tests.unit.virt import nouns


class Conductor:
    """A conductor that knows one instance, or none; and which ones have left this host."""

    def __init__(self, known: Instance | None, leaving: list[str]) -> None:
        self.known, self.leaving = known, leaving

    def instance_get(self, ctxt: Any, uuid: str) -> Instance:
        if self.known is None:
            raise errors.NotFound(f"Instance {uuid} could not be found.")
        return self.known

    def moving_from(self, ctxt: Any, host: str) -> list[str]:
        return self.leaving


@pytest.mark.parametrize(
    ("host", "leaving", "stays"),
    [("here", False, True), ("there", False, False), (None, False, False), ("there", True, True)],
)
def test_only_what_cannot_come_back_is_removed(
    host: str | None, leaving: bool, stays: bool
) -> None:
    configure()
    driver, instance = FakeDriver(FakeHost()), nouns.instance_of()
    driver.make_disks(instance, None)
    known = None if host is None else replace(instance, host=host)
    conductor: Any = Conductor(known, [instance.uuid] if leaving else [])
    manager = ComputeManager(driver, conductor, "here", "nova-compute@here/1")
    manager.forget(service_context(), instance.uuid)
    assert bool(driver.leftovers([])) is stays
    manager.stop()
