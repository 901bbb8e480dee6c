"""Resize and migrate: what a client sees, what is held meanwhile, and every way back."""

import uuid

import pytest

from tests.faults import Books


@pytest.fixture(scope="module")
def books(cloud):
    kept = Books(cloud)
    yield kept
    kept.close()


@pytest.fixture(scope="module")
def sizes(nova):
    """A larger flavor, one with a smaller disk, and the flavor of every launch here."""
    admin = nova.connections["admin"].compute
    made = {
        name: admin.create_flavor(name=f"resize-{name}", ram=ram, vcpus=vcpus, disk=disk)
        for name, ram, vcpus, disk in (
            ("larger", 128, 2, 2),
            ("thin", 128, 1, 0),
            ("huge", 1024 * 1024 - 100, 1, 2),
            ("greedy", 128, 1000, 2),
        )
    }
    yield {name: flavor.id for name, flavor in made.items()}
    for flavor in made.values():
        admin.delete_flavor(flavor)


@pytest.fixture
def server(nova):
    server_id = nova.launch(name="resized")
    yield server_id
    nova.delete(server_id)


def claims(books, server_id):
    return sorted(
        books.ask(
            "database",
            "SELECT purpose, vcpus FROM allocations WHERE instance_uuid = :id",
            id=server_id,
        )
    )


def resized(nova, server_id, flavor):
    answer = nova.act(server_id, "resize", {"flavorRef": flavor})
    assert answer.status_code == 202, answer.text
    settled = nova.settled(server_id)
    assert settled["status"] == "VERIFY_RESIZE", settled
    return settled


def last_migration(nova, server_id, **options):
    path = f"/os-migrations?instance_uuid={server_id}"
    return nova.get(path, user="admin", **options)["migrations"][0]


def test_a_confirmed_resize_keeps_the_new_size_only(nova, server, sizes, books) -> None:
    grown = resized(nova, server, sizes["larger"])
    assert grown["flavor"]["vcpus"] == 2
    assert grown["OS-EXT-STS:power_state"] == 1
    assert claims(books, server) == [("instance", 2), ("migration", 1)]
    assert books.miscounted() == []
    assert nova.act(server, "confirmResize").status_code == 204
    nova.until(
        lambda: nova.get(f"/servers/{server}")["server"]["status"] == "ACTIVE", "it is confirmed"
    )
    assert claims(books, server) == [("instance", 2)]
    assert books.miscounted() == []
    done = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert [a["action"] for a in done][:2] == ["confirmResize", "resize"]


def test_a_reverted_resize_is_as_if_it_had_not_been(nova, server, sizes, books) -> None:
    resized(nova, server, sizes["larger"])
    assert nova.act(server, "revertResize").status_code == 202
    back = nova.settled(server)
    assert (back["status"], back["flavor"]["vcpus"]) == ("ACTIVE", 1)
    assert claims(books, server) == [("instance", 1)]
    assert books.miscounted() == []


def test_a_stopped_server_stays_stopped(nova, server, sizes) -> None:
    assert nova.act(server, "os-stop").status_code == 202
    nova.settled(server)
    for way in ("revertResize", "confirmResize"):
        assert resized(nova, server, sizes["larger"])["OS-EXT-STS:power_state"] == 4
        nova.act(server, way)
        nova.until(
            lambda: nova.get(f"/servers/{server}")["server"]["status"] == "SHUTOFF", "it is stopped"
        )
        assert nova.settled(server)["OS-EXT-STS:power_state"] == 4


def test_a_migration_has_a_server_go_on_as_it_was(nova, server) -> None:
    assert nova.act(server, "migrate").status_code == 403
    assert nova.act(server, "migrate", user="admin").status_code == 202
    assert nova.settled(server)["status"] == "VERIFY_RESIZE"
    assert nova.act(server, "confirmResize").status_code == 204


def test_what_is_not_resized_can_be_neither_confirmed_nor_reverted(nova, server) -> None:
    for action in ("confirmResize", "revertResize"):
        message = nova.refused(409, "POST", f"/servers/{server}/action", {action: None})
        assert message == (f"Cannot '{action}' instance {server} while it is in vm_state active")


def test_a_resize_is_refused_in_novas_words(nova, server, sizes) -> None:
    def refused(status, flavor, **more):
        body = {"resize": {"flavorRef": flavor, **more}}
        return nova.refused(status, "POST", f"/servers/{server}/action", body)

    assert refused(400, nova.flavor) == "When resizing, instances must change flavor!"
    assert "zero disk flavor" in refused(400, sizes["thin"])
    nobody = str(uuid.uuid4())
    assert refused(400, nobody) == f"Flavor {nobody} could not be found."
    assert "Quota exceeded for cores" in refused(403, sizes["greedy"])
    refused(400, "")
    refused(400, sizes["larger"], disk="big")
    assert nova.act(str(uuid.uuid4()), "resize", {"flavorRef": nova.flavor}).status_code == 404
    assert nova.get(f"/servers/{server}")["server"]["status"] == "ACTIVE"


def test_a_flavor_too_small_for_the_image_is_refused(nova, server) -> None:
    admin = nova.connections["admin"]
    tiny = admin.compute.create_flavor(name="resize-tiny", ram=32, vcpus=1, disk=1)
    admin.image.update_image(nova.image, min_ram=48)
    try:
        said = nova.refused(
            400, "POST", f"/servers/{server}/action", {"resize": {"flavorRef": tiny.id}}
        )
    finally:
        admin.image.update_image(nova.image, min_ram=0)
        admin.compute.delete_flavor(tiny)
    assert said == "Flavor's memory is too small for requested image."


def test_a_server_on_a_volume_is_resized_to_whatever_disk(nova, sizes) -> None:
    device = {
        "source_type": "image",
        "destination_type": "volume",
        "uuid": nova.image,
        "volume_size": 1,
        "boot_index": 0,
        "delete_on_termination": True,
    }
    server = nova.launch(name="on-volume", imageRef=None, block_device_mapping_v2=[device])
    for end in ("revertResize", "confirmResize"):
        resized(nova, server, sizes["thin"])
        nova.act(server, end)
        nova.until(lambda: nova.settled(server)["status"] == "ACTIVE", "it is active")
    assert nova.get(f"/servers/{server}")["server"]["flavor"]["disk"] == 0
    nova.delete(server)


def test_a_disk_is_never_made_smaller(nova, server, sizes, books) -> None:
    resized(nova, server, sizes["larger"])
    nova.act(server, "confirmResize")
    nova.until(
        lambda: nova.get(f"/servers/{server}")["server"]["status"] == "ACTIVE", "it is confirmed"
    )
    assert nova.act(server, "resize", {"flavorRef": nova.flavor}).status_code == 202
    left = nova.settled(server)
    assert (left["status"], left["flavor"]["vcpus"]) == ("ACTIVE", 2)
    actions = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert "Error" in str(actions[0]["message"]) or "Resize error" in str(actions[0]["message"])
    assert claims(books, server) == [("instance", 2)]


def test_a_host_without_room_for_both_sizes_leaves_the_server_alone(
    nova, server, sizes, books
) -> None:
    nova.connections["admin"].set_compute_quotas(nova.project, ram=-1)
    try:
        assert nova.act(server, "resize", {"flavorRef": sizes["huge"]}).status_code == 202
        left = nova.settled(server)
    finally:
        nova.connections["admin"].delete_compute_quotas(nova.project)
    assert (left["status"], left["flavor"]["ram"]) == ("ACTIVE", 64)
    (last, *_) = nova.get(f"/servers/{server}/os-instance-actions")["instanceActions"]
    assert last["action"] == "resize"
    assert last["message"].startswith("No valid host was found.")
    assert claims(books, server) == [("instance", 1)]


def test_a_server_deleted_while_it_waits_leaves_nothing(nova, sizes, books) -> None:
    server = nova.launch(name="fleeting")
    resized(nova, server, sizes["larger"])
    nova.delete(server)
    assert books.held_by(server) == {}
    assert books.miscounted() == []


def test_a_reset_in_the_middle_keeps_one_claim(nova, server, sizes, books) -> None:
    resized(nova, server, sizes["larger"])
    nova.act(server, "os-resetState", {"state": "active"}, user="admin")
    assert claims(books, server) == [("instance", 2)]
    assert nova.act(server, "revertResize").status_code == 409
