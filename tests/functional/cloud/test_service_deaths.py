"""A service killed with -9: the list says so, and work goes on when it is back."""

import pytest

from tests.cloud import Cloud
from tests.nova import Nova

# Embedded, all services die together.
PROFILES = ("mariadb",)


def states_of(nova: Nova) -> dict[str, str]:
    listed = nova.get("/os-services", user="admin")["services"]
    return {service["binary"]: service["state"] for service in listed}


@pytest.mark.parametrize("program", ["minova-scheduler", "minova-compute"])
def test_one_that_dies_is_down_and_up_again_when_it_is_back(
    cloud: Cloud, nova: Nova, program: str, left_as_found
) -> None:
    binary = program.replace("minova", "nova")
    cloud.kill(program)
    nova.until(lambda: states_of(nova)[binary] == "down", f"{binary} is down")
    others = {name: state for name, state in states_of(nova).items() if name != binary}
    assert set(others.values()) == {"up"}
    if binary == "nova-compute":
        (host,) = nova.get("/os-hypervisors", user="admin")["hypervisors"]
        assert (host["state"], host["status"]) == ("down", "enabled")
    cloud.start_program(program)
    nova.until(lambda: states_of(nova)[binary] == "up", f"{binary} is up again")
    nova.delete(nova.launch(name="after-the-death"))
