"""Who listens at the broker hears of a launch: api, conductor and compute tell it together."""

from tests.cloud import Cloud
from tests.configuration import configure
from tests.ear import listening
from tests.nova import Nova

PROFILES = ("mariadb",)


def test_a_launch_and_a_delete_are_heard_at_the_broker(cloud: Cloud, nova: Nova) -> None:
    configure()
    with listening("versioned_notifications", cloud.transport) as ear:
        server_id = nova.launch(name="heard", networks="none")
        nova.delete(server_id)
        events = [event for event, _, _ in ear.wait_for(server_id, 4)]
    assert events == [
        "instance.create.start",
        "instance.create.end",
        "instance.delete.start",
        "instance.delete.end",
    ]
