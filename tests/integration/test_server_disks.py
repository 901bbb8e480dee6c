"""Real guests' disks through a whole cloud: imaged, shelved, rebuilt, deleted in between."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.cloud import Cloud
from tests.integration import private_libvirt, sector_guest
from tests.nova import Nova, furnish

if TYPE_CHECKING:
    from tests.integration.private_libvirt import PrivateLibvirt

pytestmark = pytest.mark.integration
FIRST, SECOND = "FIRST GUEST UP", "SECOND GUEST UP"


class Lab:
    """An embedded cloud on a libvirtd of its own, with two images that say different words."""

    def __init__(self, cloud: Cloud, host: "PrivateLibvirt") -> None:
        self.cloud, self.host = cloud, host
        self.nova: Nova = furnish(cloud)
        self.images = self.nova.connections["demo"].image
        self.nova.image = self._image(FIRST)
        self.other = self._image(SECOND)
        host.add_bridge("br-" + self.nova.network[:11])

    def _image(self, word: str) -> str:
        image = self.images.create_image(
            name=word.split()[0].lower(),
            data=sector_guest.image(word),
            disk_format="raw",
            container_format="bare",
            wait=True,
        )
        return str(image.id)

    def says(self, server: str, word: str) -> None:
        """Wait until the guest's console has `word`."""
        self.nova.until(lambda: word in self.console(server), f"the guest says {word}")

    def console(self, server: str) -> str:
        return str(self.nova.act(server, "os-getConsoleOutput", {}).json()["output"])

    def folder(self, server: str) -> list[str]:
        """The names of the server's files on the host."""
        path = self.cloud.folder / "instances" / server
        return sorted(file.name for file in path.iterdir()) if path.exists() else []

    def domains(self) -> list[str]:
        return self.host.run("virsh", "list", "--all", "--uuid").split()

    def active(self, image_id: str) -> None:
        self.nova.until(lambda: self.images.get_image(image_id).status == "active", "the image")

    def imaged(self, server: str) -> str:
        answer = self.nova.act(server, "createImage", {"name": "copy"})
        assert answer.status_code == 202, answer.text
        image_id = str(answer.json()["image_id"])
        self.active(image_id)
        self.nova.settled(server)
        return image_id


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    reason = private_libvirt.missing()
    if reason:
        pytest.skip(reason)
    with private_libvirt.PrivateLibvirt() as host:
        options: dict[str, dict[str, object]] = {
            "compute": {"virt_driver": "libvirt"},
            "libvirt": {"virt_type": "qemu", "connection_uri": host.uri, "tb_cache_mib": 16},
        }
        cloud = Cloud(host.path / "cloud", options=options)
        try:
            yield Lab(cloud.start(), host)
        finally:
            cloud.stop()


@pytest.fixture
def server(lab: Lab) -> Iterator[str]:
    server_id = lab.nova.launch(name="disks")
    lab.says(server_id, FIRST)
    yield server_id
    lab.nova.delete(server_id)
    assert lab.folder(server_id) == []
    assert server_id not in lab.domains()


def test_the_image_of_a_running_guest_boots_another(lab: Lab, server: str) -> None:
    before = lab.folder(server)
    image_id = lab.imaged(server)
    assert lab.console(server).count(FIRST) == 1, "the guest was started again"
    assert lab.folder(server) == before
    image = lab.images.get_image(image_id)
    assert (image.disk_format, image.virtual_size) == ("qcow2", 1024**3)
    copy = lab.nova.launch(name="copy", imageRef=image_id)
    lab.says(copy, FIRST)
    lab.nova.delete(copy)
    lab.images.delete_image(image_id)


def test_a_shelved_guest_comes_back_from_its_own_disk(lab: Lab, server: str) -> None:
    nova = lab.nova
    assert nova.act(server, "rebuild", {"imageRef": lab.other}).status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"
    lab.says(server, SECOND)
    assert FIRST not in lab.console(server)
    before = nova.get(f"/servers/{server}")["server"]
    assert nova.act(server, "shelve").status_code == 202
    assert nova.settled(server)["status"] == "SHELVED_OFFLOADED"
    assert lab.folder(server) == []
    assert server not in lab.domains()
    assert nova.act(server, "unshelve").status_code == 202
    back = nova.settled(server)
    assert (back["status"], back["addresses"]) == ("ACTIVE", before["addresses"])
    lab.says(server, SECOND)
    assert not list(lab.images.images(name="disks-shelved"))


def test_a_guest_rebuilt_while_stopped_starts_from_the_new_disk(lab: Lab, server: str) -> None:
    nova = lab.nova
    nova.act(server, "os-stop")
    nova.settled(server)
    assert nova.act(server, "rebuild", {"imageRef": lab.other}).status_code == 202
    assert nova.settled(server)["status"] == "SHUTOFF"
    assert nova.act(server, "os-start").status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"
    lab.says(server, SECOND)


@pytest.mark.parametrize(
    "action", [{"createImage": {"name": "broken-off"}}, {"shelve": None}, {"rebuild": {}}]
)
def test_a_delete_in_the_middle_leaves_nothing(lab: Lab, action: dict) -> None:
    nova = lab.nova
    before = {image.id for image in lab.images.images()}
    server = nova.launch(name="short-lived")
    if "rebuild" in action:
        action = {"rebuild": {"imageRef": lab.other}}
    answer = nova.call("POST", f"/servers/{server}/action", action)
    assert answer.status_code == 202, answer.text
    nova.delete(server)
    assert lab.folder(server) == []
    assert server not in lab.domains()
    left = [i for i in lab.images.images() if i.id not in before and i.status != "active"]
    assert left == []
    assert not [i for i in lab.images.images() if i.name.endswith("-shelved")]
    assert not list(nova.connections["admin"].network.ports(device_id=server))
    for image in lab.images.images():
        if image.id not in before:
            lab.images.delete_image(image.id)


def test_what_a_crash_interrupts_is_done_at_the_next_start(lab: Lab) -> None:
    nova, demo = lab.nova, lab.images
    servers = [nova.launch(name=f"crash-{i}") for i in range(3)]
    for server in servers:
        lab.says(server, FIRST)
    actions = [
        {"createImage": {"name": "survivor"}},
        {"shelve": None},
        {"rebuild": {"imageRef": lab.other}},
    ]
    for server, action in zip(servers, actions, strict=True):
        assert nova.call("POST", f"/servers/{server}/action", action).status_code == 202
    lab.cloud.kill("minova")
    lab.cloud.start_program("minova")
    lab.cloud.wait_ready()
    found = [nova.settled(server)["status"] for server in servers]
    assert found == ["ACTIVE", "SHELVED_OFFLOADED", "ACTIVE"]
    images = {image.name: image.status for image in demo.images(visibility="private")}
    assert (images["survivor"], images["crash-1-shelved"]) == ("active", "active")
    assert not [name for name in lab.folder(servers[0]) if "snapshot" in name]
    lab.says(servers[2], SECOND)
    assert nova.act(servers[1], "unshelve").status_code == 202
    assert nova.settled(servers[1])["status"] == "ACTIVE"
    lab.says(servers[1], FIRST)
    nova.delete(*servers)
    for image in demo.images(name="survivor"):
        demo.delete_image(image.id)


def test_a_rescued_guest_boots_the_other_image_and_deletes_leave_nothing(
    lab: Lab, server: str
) -> None:
    nova = lab.nova
    before = lab.folder(server)
    answer = nova.act(server, "rescue", {"rescue_image_ref": lab.other})
    assert answer.status_code == 200, answer.text
    assert nova.settled(server)["status"] == "RESCUE"
    lab.says(server, SECOND)
    told = nova.get(f"/servers/{server}/diagnostics", user="admin")
    assert (told["state"], told["config_drive"], told["num_disks"]) == ("running", True, 3)
    assert nova.act(server, "unrescue").status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"
    nova.until(lambda: lab.console(server).count(FIRST) == 2, "the guest is itself again")
    assert lab.folder(server) == before
    assert nova.act(server, "rescue", {"rescue_image_ref": lab.other}).status_code == 200
    nova.settled(server)  # and deleted as it is


def test_a_suspended_guest_goes_on_after_its_cloud_was_killed(lab: Lab, server: str) -> None:
    nova = lab.nova
    assert nova.act(server, "suspend").status_code == 202
    assert nova.settled(server)["OS-EXT-STS:power_state"] == 7
    lab.cloud.kill("minova")
    lab.host.kill_libvirtd()
    lab.host.start_libvirtd()
    lab.cloud.start_program("minova")
    lab.cloud.wait_ready()
    assert nova.settled(server)["status"] == "SUSPENDED"
    assert nova.act(server, "resume").status_code == 202
    assert nova.settled(server)["status"] == "ACTIVE"
    assert lab.console(server).count(FIRST) == 1, "the guest was started anew"
    assert nova.act(server, "os-stop").status_code == 202
    assert nova.settled(server)["status"] == "SHUTOFF"
