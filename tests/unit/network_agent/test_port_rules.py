"""Which addresses a port may use."""

import ipaddress

import pytest

pytest.importorskip("nftables")

from minova.companions.network.agent import port_rules
from minova.companions.network.wire import FixedIP, PortWiring

MAC = "fa:16:3e:00:00:01"


def port(**changes: object) -> PortWiring:
    values = {
        "id": "p",
        "network_id": "n",
        "project_id": "a",
        "device_id": "d",
        "mac_address": MAC,
        "tap": "tap0",
        "fixed_ips": [FixedIP("s", "10.0.0.5"), FixedIP("s6", "fd00::5")],
    }
    return PortWiring(**(values | changes))  # type: ignore[arg-type]


def test_a_port_may_use_its_own_addresses_and_its_link_local_one() -> None:
    found = port_rules.addresses_of(port())
    assert found.macs == {MAC}
    assert found.hosts[4] == {(MAC, "10.0.0.5")}
    assert found.hosts[6] == {(MAC, "fd00::5"), (MAC, "fe80::f816:3eff:fe00:1")}
    assert found.ranges == {4: set(), 6: set()}


def test_a_mac_is_taken_in_any_case() -> None:
    assert port_rules.addresses_of(port(mac_address=MAC.upper())).macs == {MAC}


def test_address_pairs_are_added_with_their_macs() -> None:
    other = "fa:16:3e:00:00:99"
    found = port_rules.addresses_of(
        port(allowed_address_pairs=[["10.0.0.9", other], ["10.9.0.0/16", ""]])
    )
    assert found.macs == {MAC, other}
    assert (other, "10.0.0.9") in found.hosts[4]
    assert (MAC, "10.0.0.9") not in found.hosts[4]
    assert found.ranges[4] == {(MAC, ipaddress.ip_network("10.9.0.0/16"))}
    assert (other, port_rules.link_local(other)) in found.hosts[6]


def test_cve_2019_10876_overlapping_pairs_become_one() -> None:
    pairs = [["10.0.0.0/24", ""], ["10.0.0.128/25", ""], ["10.0.0.7", ""]]
    found = port_rules.addresses_of(port(allowed_address_pairs=pairs))
    assert found.ranges[4] == {(MAC, ipaddress.ip_network("10.0.0.0/24"))}
    assert found.hosts[4] == set(), "the fixed IP lies inside the range"


@pytest.mark.parametrize(
    "changes",
    [
        {"mac_address": "fa:16:3e:00:00"},
        {"mac_address": "fa:16:3e:00:00:01 drop"},
        {"fixed_ips": [FixedIP("s", "10.0.0.256")]},
        {"allowed_address_pairs": [["nonsense", ""]]},
    ],
)
def test_senseless_addresses_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        port_rules.addresses_of(port(**changes))
