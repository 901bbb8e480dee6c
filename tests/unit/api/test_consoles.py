"""When a server's console may be opened, and with which words it is refused."""

import pytest

from minova.common import errors
from minova.common.context import RequestContext
from minova.compute.manager import ComputeManager
from minova.model import states
from minova.model.instance import Instance
from minova.virt.fake import FakeDriver, FakeHost
from tests.configuration import configure
from tests.unit.virt import nouns


def refusal(vm_state: str, task_state: str | None, host: str | None = "host-1") -> str | None:
    return states.refusal(
        states.ACTIONS["remote_console"],
        uuid="U",
        vm_state=vm_state,
        task_state=task_state,
        launched=False,
        hosted=host is not None,
        locked=True,
        word="get_vnc_console",
    )


@pytest.mark.parametrize("vm_state", states.VM_STATES)
@pytest.mark.parametrize("task_state", [None, "rebooting", "spawning", "resize_prep"])
def test_a_console_is_open_in_every_state(vm_state: str, task_state: str | None) -> None:
    assert refusal(vm_state, task_state) is None


@pytest.mark.parametrize("task_state", ["deleting", "migrating"])
def test_but_not_of_a_server_on_its_way(task_state: str) -> None:
    words = f"Cannot 'get_vnc_console' instance U while it is in task_state {task_state}"
    assert refusal(states.ACTIVE, task_state) == words


def test_a_server_without_a_host_is_not_ready() -> None:
    assert refusal(states.BUILDING, None, host=None) == "Instance U is not ready"


class _Conductor:
    def __init__(self, instance: Instance) -> None:
        self._instance = instance

    def instance_get(self, ctxt: RequestContext, uuid: str) -> Instance:
        return self._instance


def test_a_server_without_a_guest_is_not_ready() -> None:
    configure()
    driver = FakeDriver(FakeHost())
    instance = nouns.instance_of(nouns.image_of(b""))
    compute = ComputeManager(driver, _Conductor(instance), "host", "owner")  # type: ignore[arg-type]
    ctxt = RequestContext(overwrite=False)
    with pytest.raises(errors.Conflict, match=f"Instance {instance.uuid} is not ready"):
        compute.console_base_url(ctxt, instance.uuid, "vnc")
    driver.spawn(instance, None, [], [], None)
    url = compute.console_base_url(ctxt, instance.uuid, "vnc")
    assert url == "http://127.0.0.1:6080/vnc_lite.html"
    assert compute.console_base_url(ctxt, instance.uuid, "serial") == "ws://127.0.0.1:6080/"
    compute.stop()
