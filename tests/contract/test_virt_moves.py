"""Guests that change their size: the new one runs, and the old one can come back as it was."""

from dataclasses import replace

import pytest

from minova.common import errors
from minova.model import states
from tests.contract.virt_rig import Rig, volume
from tests.integration import sector_guest
from tests.unit.virt import nouns

pytest_plugins = ["tests.contract.virt_rig"]
MIGRATION = "6a5a9f0e-4c2a-4b57-9c3b-0f6d3f0c5a11"
MIB = 1024**2


def never() -> bool:
    return False


def sized(instance, **changed):
    return replace(instance, flavor=replace(instance.flavor, **changed))


def larger(instance):
    return sized(instance, id="larger", name="larger", memory_mb=48, vcpus=2, root_gb=2, swap_mb=4)


def disk(rig: Rig, instance):
    return rig.folder / "instances" / instance.uuid / "disk"


def kept(rig: Rig, instance) -> bool:
    if rig.is_fake:
        guest = rig.driver.host.guests.get(instance.uuid)
        return guest is not None and bool(guest.aside)
    return any(disk(rig, instance).parent.glob("aside-*"))


def root_gb(rig: Rig, instance) -> int:
    if rig.is_fake:
        return rig.driver.host.guests[instance.uuid].root_gb
    from minova.virt import qcow2

    return qcow2.virtual_size(disk(rig, instance)) // 1024**3


def up(rig: Rig, instance, boots=1):
    """The guest has got as far as to hear its power button."""
    rig.line_count(instance, boots)
    return instance


def moved(rig: Rig, instance, *, start=True):
    after = larger(instance)
    luggage = rig.driver.migrate_out(instance, MIGRATION, after.flavor, never)
    assert rig.driver.power_state(instance) == states.SHUTDOWN
    rig.driver.migrate_in(after, luggage, [], start=start)
    return after


def test_a_guest_grows_and_its_old_disk_is_kept_until_confirmed(rig: Rig) -> None:
    instance = up(rig, rig.boot())
    after = up(rig, moved(rig, instance), boots=2)
    assert rig.driver.power_state(after) == states.RUNNING
    assert root_gb(rig, after) == 2
    assert kept(rig, after)
    rig.driver.confirm_migration(after, MIGRATION)
    rig.driver.confirm_migration(after, MIGRATION)
    assert not kept(rig, after)
    assert rig.driver.power_state(after) == states.RUNNING


def test_a_revert_brings_the_disk_back_as_it_was(rig: Rig) -> None:
    instance = up(rig, rig.boot())
    before = b"" if rig.is_fake else disk(rig, instance).read_bytes()
    after = moved(rig, instance, start=False)
    if not rig.is_fake:
        # What the larger guest has written must not be there afterwards.
        with disk(rig, after).open("ab") as file:
            file.write(b"written later")
    rig.driver.revert_migration(instance, MIGRATION, [], start=True)
    rig.driver.revert_migration(instance, MIGRATION, [], start=True)
    assert rig.driver.power_state(instance) == states.RUNNING
    assert root_gb(rig, instance) == 1
    assert not kept(rig, instance)
    rig.driver.power_off(instance, timeout=0)
    if not rig.is_fake:
        assert disk(rig, instance).read_bytes() == before
        assert not (disk(rig, instance).parent / "disk.swap").exists()


def test_a_stopped_guest_is_resized_and_stays_stopped(rig: Rig) -> None:
    instance = rig.boot()
    rig.driver.power_off(instance, timeout=0)
    after = moved(rig, instance, start=False)
    assert rig.driver.power_state(after) == states.SHUTDOWN
    rig.driver.power_on(after, [])
    assert rig.driver.power_state(after) == states.RUNNING
    rig.driver.revert_migration(instance, MIGRATION, [], start=False)
    assert rig.driver.power_state(instance) == states.SHUTDOWN
    rig.driver.power_on(instance, [])
    assert rig.driver.power_state(instance) == states.RUNNING


def test_a_smaller_disk_is_refused_and_the_guest_left_alone(rig: Rig) -> None:
    image = rig.image()
    instance = rig.boot(sized(nouns.instance_of(image), root_gb=2))
    with pytest.raises(errors.Invalid, match="Unable to resize disk down"):
        rig.driver.migrate_out(instance, MIGRATION, sized(instance, root_gb=1).flavor, never)
    assert rig.driver.power_state(instance) == states.RUNNING
    rig.driver.revert_migration(instance, MIGRATION, [], start=True)
    assert rig.driver.power_state(instance) == states.RUNNING


def test_every_step_may_be_done_again(rig: Rig) -> None:
    """A compute service that dies in the middle does the whole move once more."""
    instance = up(rig, rig.boot())
    after = up(rig, moved(rig, instance), boots=2)
    rig = rig.restarted()
    moved(rig, instance)
    assert rig.driver.power_state(after) == states.RUNNING
    assert root_gb(rig, after) == 2
    rig.driver.revert_migration(instance, MIGRATION, [], start=True)
    assert root_gb(rig, instance) == 1


def test_another_migration_keeps_the_disks_of_its_own_beginning(rig: Rig) -> None:
    instance = up(rig, rig.boot())
    after = up(rig, moved(rig, instance), boots=2)
    again = sized(after, root_gb=3)
    luggage = rig.driver.migrate_out(after, "another", again.flavor, never)
    rig.driver.migrate_in(again, luggage, [], start=True)
    rig.driver.revert_migration(after, "another", [], start=True)
    assert root_gb(rig, after) == 2


def test_a_delete_breaks_off_the_keeping_of_the_disks(rig: Rig) -> None:
    instance = up(rig, rig.boot())
    rig.driver.power_off(instance, timeout=0)
    with pytest.raises(errors.Conflict, match="being deleted"):
        rig.driver.migrate_out(instance, MIGRATION, larger(instance).flavor, lambda: True)
    assert not kept(rig, instance)
    rig.driver.revert_migration(instance, MIGRATION, [], start=True)
    assert rig.driver.power_state(instance) == states.RUNNING


def test_a_guest_that_is_destroyed_in_the_middle_leaves_nothing(rig: Rig) -> None:
    instance = up(rig, rig.boot())
    rig.driver.migrate_out(instance, MIGRATION, larger(instance).flavor, never)
    rig.driver.destroy(instance)
    assert rig.driver.leftovers([]) == []


def test_volumes_follow_a_guest_both_ways(rig: Rig) -> None:
    instance = up(rig, rig.boot())
    with volume(rig, sector_guest.image("DATA")) as device:
        name = rig.driver.attach_volume(instance, device)
        instance = replace(instance, block_devices=[replace(device, device_name=name)])
        after = moved(rig, instance)
        assert rig.driver.power_state(after) == states.RUNNING
        rig.driver.detach_volume(after, device)
        rig.driver.revert_migration(replace(instance, block_devices=[]), MIGRATION, [], start=True)
        assert rig.driver.power_state(instance) == states.RUNNING
        rig.driver.destroy(instance)
