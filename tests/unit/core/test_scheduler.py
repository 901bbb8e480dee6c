"""Which hosts the scheduler takes, in which order, and what it says of the others."""

import datetime as dt
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from oslo_config import cfg

from minova.db.hosts import ComputeNode, Service
from minova.db.server_groups import Placement
from minova.model.instance import Flavor, Instance, utcnow
from minova.scheduler import filters, weighers
from minova.scheduler.drivers import DRIVERS, by_filters
from minova.scheduler.filters import Request
from minova.scheduler.host_state import HostState
from minova.scheduler.manager import _no_valid_host
from tests.configuration import configure


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    configure()
    yield
    cfg.CONF.reset()


def a_host(name: str = "h", **changes: Any) -> HostState:
    now = utcnow()
    service = {
        "id": 1,
        "uuid": str(uuid.uuid4()),
        "host": name,
        "binary": "nova-compute",
        "incarnation": None,
        "disabled": False,
        "disabled_reason": None,
        "forced_down": False,
        "created_at": now,
        "updated_at": None,
        "last_seen_at": now,
    }
    node = {
        "id": 1,
        "uuid": str(uuid.uuid4()),
        "host": name,
        "hypervisor_hostname": f"{name}.example",
        "hypervisor_type": "QEMU",
        "hypervisor_version": 7002022,
        "host_ip": None,
        "disk_available_gb": 100,
        "running_vms": 0,
        "reserved_memory_mb": 0,
        "cpu_info": {},
        "accelerator": "kvm",
        "accelerator_reason": "",
        "supported": [["x86_64", "qemu", "hvm"]],
        "created_at": now,
        "updated_at": None,
    }
    for resource, amount in (("vcpus", 4), ("memory_mb", 1024), ("disk_gb", 10)):
        node |= {resource: amount, f"{resource}_limit": amount, f"{resource}_used": 0}
    for key, value in changes.items():
        (service if key in service else node)[key] = value
    return HostState(ComputeNode(**node), Service(**service), "nova")


def a_request(flavor: Flavor | None = None, **changes: Any) -> Request:
    options = {key: changes.pop(key) for key in ("excluded", "requested_host") if key in changes}
    instance = Instance(
        uuid=str(uuid.uuid4()),
        name="vm",
        project_id="p",
        user_id="u",
        vm_state="building",
        task_state="scheduling",
        power_state=0,
        flavor=flavor or Flavor("1", "m1", 1, 64, 1),
        created_at=utcnow(),
        **changes,
    )
    return Request(instance, options.get("excluded", []), options.get("requested_host"))


@pytest.mark.parametrize(
    ("name", "host", "request_", "reason"),
    [
        ("ComputeFilter", {"disabled": True}, {}, "disabled"),
        ("ComputeFilter", {"forced_down": True}, {}, "down"),
        (
            "ComputeFilter",
            {"last_seen_at": utcnow() - dt.timedelta(minutes=5)},
            {},
            "down",
        ),
        ("ComputeFilter", {}, {"excluded": ["h"]}, "has failed this launch"),
        ("AvailabilityZoneFilter", {}, {"requested_zone": "mars"}, "not in zone mars"),
        ("AvailabilityZoneFilter", {}, {"requested_host": "other"}, "not host other"),
        (
            "ResourcesFilter",
            {"vcpus_used": 4},
            {},
            "0 vCPUs free, 1 wanted",
        ),
        (
            "ResourcesFilter",
            {"memory_mb_used": 1000},
            {},
            "24 MiB of memory free, 64 wanted",
        ),
        ("ResourcesFilter", {"disk_gb_used": 10}, {}, "0 GiB of disk free, 1 wanted"),
        (
            "ImagePropertiesFilter",
            {},
            {"image_properties": {"hw_architecture": "aarch64"}},
            "no architecture aarch64",
        ),
    ],
)
def test_a_filter_says_why(
    name: str, host: dict[str, Any], request_: dict[str, Any], reason: str
) -> None:
    assert filters.FILTERS[name](a_host(**host), a_request(**request_)) == reason


def test_a_flavor_may_ask_for_an_accelerator() -> None:
    fast = Flavor("1", "m1", 1, 64, 1, extra_specs={"capabilities:accelerator": "kvm"})
    check = filters.FILTERS["ComputeCapabilitiesFilter"]
    assert check(a_host(), a_request(fast)) is None
    assert check(a_host(accelerator="qemu (TCG)"), a_request(fast)) == "accelerator is not kvm"


def test_every_filter_passes_a_host_that_will_do() -> None:
    assert by_filters([a_host()], a_request()).refused == {}


def test_the_host_with_most_room_is_tried_first() -> None:
    full = a_host("full", memory_mb_used=900, vcpus_used=3)
    empty = a_host("empty")
    assert [h.host for h in weighers.best_first([full, empty], a_request())] == ["empty", "full"]


@pytest.mark.parametrize(
    ("offered", "wanted", "fits"),
    [
        ("true", "true", True),
        ("no, true", "true", True),
        ("no", "true", False),
        ("b", "<or> a <or> b", True),
        ("ab", "<or> a <or> b", False),
        ("sse avx", "<in> avx", True),
        ("4", ">= 3", True),
        ("4", "<= 3", False),
        ("many", ">= 3", False),
    ],
)
def test_a_flavor_finds_the_hosts_of_an_aggregate(offered: str, wanted: str, fits: bool) -> None:
    specs = {"aggregate_instance_extra_specs:kind": wanted, "other": "x"}
    request = a_request(Flavor("1", "m1", 1, 64, 1, extra_specs=specs))
    host = replace(a_host(), aggregates=[{"kind": offered}, {}])
    refusal = filters.FILTERS["AggregateInstanceExtraSpecsFilter"](host, request)
    assert (refusal is None) is fits
    assert filters.FILTERS["AggregateInstanceExtraSpecsFilter"](a_host(), request)


def in_group(policy: str, others: dict[str, int], most_per_host: int = 1) -> Request:
    return replace(a_request(), group=Placement(policy, most_per_host, Counter(others)))


@pytest.mark.parametrize(
    ("policy", "others", "most", "allowed"),
    [
        ("affinity", {}, 1, ["a", "b", "c"]),
        ("affinity", {"b": 2}, 1, ["b"]),
        ("affinity", {"gone": 1}, 1, []),
        ("anti-affinity", {}, 1, ["a", "b", "c"]),
        ("anti-affinity", {"a": 1, "b": 1}, 1, ["c"]),
        ("anti-affinity", {"a": 2, "b": 1}, 2, ["c", "b"]),
        ("soft-affinity", {"b": 1}, 1, ["b", "a", "c"]),
        ("soft-anti-affinity", {"a": 2, "b": 1}, 1, ["c", "b", "a"]),
    ],
)
def test_a_server_groups_policy_chooses_the_host(
    policy: str, others: dict[str, int], most: int, allowed: list[str]
) -> None:
    # Whoever has others of the group has less room, too: the policy has to count for more.
    hosts = [a_host(name, memory_mb_used=100 * others.get(name, 0)) for name in "abc"]
    found = by_filters(hosts, in_group(policy, others, most))
    assert [host.host for host in found.hosts] == allowed
    assert len(found.refused) == 3 - len(allowed)


def test_a_negative_weight_fills_hosts_up() -> None:
    for option in weighers.WEIGHERS:
        cfg.CONF.set_override(option, -1.0, group="scheduler")
    full, empty = a_host("full", memory_mb_used=500), a_host("empty")
    assert [h.host for h in weighers.best_first([full, empty], a_request())] == ["full", "empty"]
    for option in weighers.WEIGHERS:
        cfg.CONF.clear_override(option, group="scheduler")


def test_chance_takes_any_host_that_is_up() -> None:
    hosts = [a_host(f"h{number}") for number in range(6)] + [a_host("down", forced_down=True)]
    firsts = {DRIVERS["chance"](hosts, a_request()).hosts[0].host for _ in range(200)}
    assert firsts == {f"h{number}" for number in range(6)}


def test_no_valid_host_counts_reasons_and_hides_names() -> None:
    said = _no_valid_host({"secret-1": "ComputeFilter: down", "secret-2": "ComputeFilter: down"})
    assert said == "No valid host was found. ComputeFilter: down (2)."
