"""The `nova` command of the documents, as written, each in a process of its own."""

from collections.abc import Iterator

import pytest

from tests.cloud import Cloud
from tests.nova import PUBLIC_KEY, Nova

PROFILES = ("embedded", "mariadb", "postgresql")


@pytest.fixture(scope="module")
def names(nova: Nova) -> Iterator[Nova]:
    """What the documents' command names: flavor, image (furnished), group and key."""
    admin, demo = nova.connections["admin"], nova.connections["demo"]
    flavor = admin.compute.create_flavor(name="m1.small", ram=512, vcpus=1, disk=2)
    group = demo.network.create_security_group(name="norprod_sec_grp")
    demo.compute.create_keypair(name="my_key", public_key=PUBLIC_KEY)
    yield nova
    demo.compute.delete_keypair("my_key")
    demo.network.delete_security_group(group)
    admin.compute.delete_flavor(flavor)


def nova_command(cloud: Cloud, words: str) -> str:
    done = cloud.client("nova", *words.split())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def status_of(nova: Nova, name: str) -> str:
    (server,) = nova.get(f"/servers?name=^{name}$")["servers"]
    return str(nova.settled(server["id"])["status"])


def test_the_documents_command_and_the_life_after_it(cloud: Cloud, names: Nova) -> None:
    nova_command(
        cloud,
        f"boot --flavor m1.small --image centos7 --nic net-id={names.network} "
        "--security-group norprod_sec_grp --key-name my_key stack_testvm",
    )
    assert status_of(names, "stack_testvm") == "ACTIVE"
    (line,) = [row for row in nova_command(cloud, "list").splitlines() if "stack_testvm" in row]
    assert "ACTIVE" in line and "private=10.9." in line
    shown = nova_command(cloud, "show stack_testvm")
    assert all(word in shown for word in ("norprod_sec_grp", "my_key", "centos7", "m1.small"))
    assert "fake guest: ready" in nova_command(cloud, "console-log stack_testvm")
    two = nova_command(cloud, "console-log --length 2 stack_testvm")
    assert "ready" in two and "boots" not in two
    _with_a_volume(cloud, names)
    for command, status in (
        ("stop", "SHUTOFF"),
        ("start", "ACTIVE"),
        ("reboot", "ACTIVE"),
        ("reboot --hard", "ACTIVE"),
    ):
        nova_command(cloud, f"{command} stack_testvm")
        assert status_of(names, "stack_testvm") == status
    nova_command(cloud, "delete stack_testvm")
    names.until(lambda: "stack_testvm" not in str(names.get("/servers")), "it is deleted")


def _with_a_volume(cloud: Cloud, nova: Nova) -> None:
    storage = nova.connections["demo"].block_storage
    volume = storage.create_volume(size=1, name="nova-vol")
    storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    assert volume.id in nova_command(cloud, f"volume-attach stack_testvm {volume.id}")
    storage.wait_for_status(volume, "in-use", interval=0.1, wait=30)
    assert volume.id in nova_command(cloud, "volume-attachments stack_testvm")
    nova_command(cloud, f"volume-detach stack_testvm {volume.id}")
    storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    storage.delete_volume(volume)


def test_what_is_not_there_is_named(cloud: Cloud, names: Nova, left_as_found) -> None:
    boot = f"--nic net-id={names.network} refused"
    for words, said in {
        f"boot --flavor nope --image centos7 {boot}": "No flavor with a name or ID of 'nope'",
        f"boot --flavor m1.small --image nope {boot}": "nope",
        f"boot --flavor m1.small --image centos7 --key-name nope {boot}": "Invalid key_name",
        f"boot --flavor m1.small --image centos7 --security-group nope {boot}": (
            "Security group nope not found"
        ),
        "show nope": "No server with a name or ID of 'nope' exists",
    }.items():
        done = cloud.client("nova", *words.split())
        assert done.returncode == 1
        assert said in done.stderr, done.stderr
