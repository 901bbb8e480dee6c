"""What dnsmasq is told."""

from pathlib import Path

import pytest

from minova.companions.network.agent import dnsmasq
from minova.companions.network.agent.dnsmasq import Lease, Settings
from minova.companions.network.wire import FixedIP, NetworkWiring, PortWiring, SubnetWiring


def network(**subnet: object) -> NetworkWiring:
    values = {
        "id": "s1",
        "cidr": "10.1.0.0/24",
        "gateway_ip": "10.1.0.1",
        "dhcp_ip": "10.1.0.2",
    }
    wiring = SubnetWiring(**(values | subnet))  # type: ignore[arg-type]
    return NetworkWiring("n1", "private", "br-n1", 1450, "novalocal", [wiring])


def arguments(settings: Settings = Settings(), **subnet: object) -> list[str]:  # noqa: B008
    return dnsmasq.arguments(network(**subnet), "ns-n1", Path("/work"), settings)


def port(hostname: str = "web", ip: str = "10.1.0.5", mac: str = "fa:16:3e:00:00:01") -> PortWiring:
    return PortWiring(
        "p1", "n1", "a", "d", mac, "tap1", hostname=hostname, fixed_ips=[FixedIP("s1", ip)]
    )


def test_guests_are_told_gateway_names_and_the_way_to_metadata() -> None:
    told = arguments(Settings(lease_seconds=600))
    assert "--dhcp-range=set:ss1,10.1.0.0,static,255.255.255.0,600s" in told
    assert "--dhcp-option=tag:ss1,option:router,10.1.0.1" in told
    assert "--dhcp-option=tag:ss1,option:dns-server,10.1.0.2" in told
    routes = "169.254.169.254/32,10.1.0.2,0.0.0.0/0,10.1.0.1"
    assert f"--dhcp-option=tag:ss1,option:classless-static-route,{routes}" in told
    assert "--dhcp-option-force=option:mtu,1450" in told
    assert "--domain=novalocal" in told


def test_a_subnet_without_gateway_hands_out_none() -> None:
    told = arguments(gateway_ip=None, host_routes=[["10.9.0.0/16", "10.1.0.9"]])
    assert "--dhcp-option=tag:ss1,option:router" in told
    routes = "169.254.169.254/32,10.1.0.2,10.9.0.0/16,10.1.0.9"
    assert f"--dhcp-option=tag:ss1,option:classless-static-route,{routes}" in told


def test_a_subnets_own_name_servers_come_before_the_hosts() -> None:
    settings = Settings(forwarders=("192.0.2.53",))
    assert "--server=192.0.2.53" in arguments(settings)
    told = arguments(settings, dns_nameservers=["192.0.2.1", "nonsense\n--port=5", "192.0.2.1"])
    assert [word for word in told if word.startswith("--server")] == ["--server=192.0.2.1"]


def test_no_host_line_has_a_tag_as_dnsmasq_dies_of_them_at_sighup() -> None:
    assert dnsmasq.hosts([port()]) == "fa:16:3e:00:00:01,web,10.1.0.5\n"


@pytest.mark.parametrize(
    "name", ["", "a\nb", "web,10.1.0.9", "-web", "a" * 64, "web.example.org", "wéb", "a b"]
)
def test_cve_2021_40085_a_host_name_cannot_add_a_line_or_a_field(name: str) -> None:
    assert dnsmasq.hosts([port(name)]) == "fa:16:3e:00:00:01,host-10-1-0-5,10.1.0.5\n"


def test_cve_2021_40085_neither_can_a_mac_or_an_address() -> None:
    assert dnsmasq.hosts([port(mac="fa:16:3e:00:00:01\nx")]) == ""
    assert dnsmasq.hosts([port(ip="10.1.0.5\nx")]) == ""
    assert dnsmasq.hosts([port(ip="fd00::5")]) == ""


@pytest.mark.parametrize("domain", ["a\nb", "x/y", "", "a..b", "a,b"])
def test_cve_2021_40085_nor_a_domain(domain: str) -> None:
    wiring = NetworkWiring("n1", "x", "br-n1", 1450, domain, network().subnets)
    told = dnsmasq.arguments(wiring, "ns-n1", Path("/work"), Settings())
    assert not [word for word in told if word.startswith(("--domain", "--local"))]


def test_leases_without_a_host_line_are_stale(tmp_path: Path) -> None:
    path = tmp_path / "leases"
    assert dnsmasq.read_leases(path) == []
    kept = "1700000000 fa:16:3e:00:00:01 10.1.0.5 web 01:fa:16:3e:00:00:01\n"
    gone = "1700000000 fa:16:3e:00:00:02 10.1.0.6 * *\n"
    path.write_text(kept + gone + "duid 00:01\n")
    leases = dnsmasq.read_leases(path)
    hosts = dnsmasq.hosts([port()])
    assert dnsmasq.stale_leases(leases, hosts) == [Lease("fa:16:3e:00:00:02", "10.1.0.6", "")]
    dnsmasq.drop_stale_leases(path, hosts)
    assert path.read_text() == kept + "duid 00:01\n"


def test_an_address_that_changed_its_owner_is_stale() -> None:
    lease = Lease("fa:16:3e:00:00:99", "10.1.0.5", "")
    assert dnsmasq.stale_leases([lease], dnsmasq.hosts([port()])) == [lease]


def test_the_hosts_name_servers_are_those_guests_can_reach(tmp_path: Path) -> None:
    stub, real, none = (tmp_path / name for name in ("stub", "real", "none"))
    stub.write_text("# c\nnameserver 127.0.0.53\nnameserver ::1\noptions edns0\n")
    real.write_text("nameserver 192.0.2.53\nnameserver fd00::1\nnameserver 192.0.2.54\n")
    assert dnsmasq.host_resolvers(stub, real) == ("192.0.2.53", "192.0.2.54")
    assert dnsmasq.host_resolvers(stub, none) == ()
