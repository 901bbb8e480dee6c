"""Address arithmetic: pools, picks and what a subnet may look like."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minova.companions.network import addresses, errors

V4 = st.builds(
    lambda base, prefix: ipaddress.ip_network((base, prefix), strict=False),
    st.integers(0x0A000000, 0x0AFFFFFF),
    st.integers(16, 30),
)


@given(V4, st.data())
def test_default_pools_hold_every_host_but_the_gateway(network, data) -> None:
    first, last = addresses.usable(network)
    gateway = str(ipaddress.ip_address(data.draw(st.integers(int(first), int(last)))))
    pools = addresses.default_pools(network, gateway)
    size = sum(
        int(ipaddress.ip_address(p["end"])) - int(ipaddress.ip_address(p["start"])) + 1
        for p in pools
    )
    assert size == network.num_addresses - 3
    addresses.check_gateway_outside_pools(gateway, pools)
    assert addresses.check_pools(pools, network) == pools


@given(st.sets(st.integers(1, 62), max_size=62))
def test_a_free_address_is_found_while_there_is_one(used: set[int]) -> None:
    pools = [{"start": "10.0.0.1", "end": "10.0.0.30"}, {"start": "10.0.0.31", "end": "10.0.0.62"}]
    taken = {f"10.0.0.{n}" for n in used}
    ip = addresses.pick(pools, lambda sample: taken & set(sample), lambda: taken)
    if len(used) == 62:
        assert ip is None
    else:
        assert ip is not None and ip not in taken
        assert 1 <= int(ip.rsplit(".", 1)[1]) <= 62
    lowest = addresses.first_free(pools, taken)
    free = [n for n in range(1, 63) if n not in used]
    assert lowest == (f"10.0.0.{free[0]}" if free else None)


def test_a_pick_works_in_the_largest_subnets() -> None:
    pools = addresses.default_pools(ipaddress.ip_network("fd00::/64"), "fd00::1")
    ip = addresses.pick(pools, lambda sample: set(), lambda: set())
    assert ip is not None and ipaddress.ip_address(ip) in ipaddress.ip_network("fd00::/64")


def test_no_pool_no_address() -> None:
    assert addresses.pick([], lambda sample: set(), lambda: set()) is None
    assert addresses.first_free([], set()) is None


@given(V4, V4)
def test_overlap_is_symmetric(one, two) -> None:
    assert bool(addresses.overlapping(str(one), [str(two)])) == one.overlaps(two)


def test_slaac_follows_rfc_4291() -> None:
    network = ipaddress.ip_network("2001:db8::/64")
    assert addresses.slaac(network, "34:56:78:9a:bc:de") == "2001:db8::3656:78ff:fe9a:bcde"


def test_macs_keep_their_prefix() -> None:
    assert addresses.random_mac("fa:16:3e").startswith("fa:16:3e:")
    assert len(addresses.random_mac("fa:16:3e:4f")) == 17


@pytest.mark.parametrize("text", ["224.0.0.0/4", "0.0.0.0/0", "fe80::/64", "10.0.0.1", "x", ""])
def test_ranges_no_guest_may_have_are_refused(text: str) -> None:
    with pytest.raises(errors.InvalidInput):
        addresses.parse_cidr(text, 6 if ":" in text else 4)


@pytest.mark.parametrize(
    ("cidr", "private"),
    [("10.1.0.0/24", True), ("172.32.0.0/24", False), ("8.8.8.0/24", False), ("fd00::/64", False)],
)
def test_only_private_ranges_are_anyones(cidr: str, private: bool) -> None:
    assert addresses.is_private(ipaddress.ip_network(cidr)) is private
