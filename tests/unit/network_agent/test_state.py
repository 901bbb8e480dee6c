"""How an agent's records change, and which connections a change ends."""

from minova.companions.network.agent import severed
from minova.companions.network.agent.severed import Severed
from minova.companions.network.agent.state import Touched, Wiring
from minova.companions.network.wire import (
    FixedIP,
    GroupWiring,
    HostState,
    NetworkWiring,
    PortWiring,
    Rule,
)

NET = NetworkWiring("n1", "private", "br-n1", 1450, "novalocal")
SSH = Rule("ssh", "ingress", "IPv4", "tcp", 22, 22)
PEERS = Rule("peers", "ingress", "IPv4", remote_group_id="friends")


def port(number: int, groups: list[str] | None = None) -> PortWiring:
    return PortWiring(
        f"p{number}",
        "n1",
        "a",
        "d",
        f"fa:16:3e:00:00:{number:02x}",
        f"tap{number}",
        fixed_ips=[FixedIP("s1", f"10.1.0.{number}")],
        security_groups=groups or [],
    )


def state(ports: list[PortWiring], *groups: GroupWiring) -> HostState:
    return HostState([NET], ports, list(groups))


class TestWiring:
    def test_only_groups_that_ports_need_are_kept(self) -> None:
        wiring = Wiring.of(
            state([port(1, ["g"])], GroupWiring("g", [PEERS]), GroupWiring("unused", [SSH]))
        )
        assert set(wiring.groups) == {"g", "friends"}
        assert wiring.groups["friends"] == GroupWiring("friends"), "nobody is in it"

    def test_a_network_goes_with_its_last_port_unless_declared(self) -> None:
        wiring = Wiring()
        wiring.put(port(1), NET, [])
        del wiring.ports["p1"]
        wiring.prune()
        assert wiring.networks == {}
        assert set(Wiring.of(state([])).networks) == {"n1"}

    def test_a_port_takes_its_address_from_one_whose_removal_was_missed(self) -> None:
        wiring = Wiring.of(state([port(1), port(2)]))
        newcomer = PortWiring(
            "new", "n1", "a", "d", "fa:16:3e:00:00:99", "tapnew", fixed_ips=port(1).fixed_ips
        )
        wiring.put(newcomer, NET, [])
        assert set(wiring.ports) == {"p2", "new"}


class TestTouched:
    def test_calls_win_over_a_state_that_was_on_its_way(self) -> None:
        touched = Touched()
        touched.ensured(port(1, ["g"]), NET, [GroupWiring("g", [SSH])])
        touched.was_removed("p2")
        seen = touched.over(state([port(2), port(3)], GroupWiring("g", [])))
        assert {p.id for p in seen.ports} == {"p1", "p3"}
        assert seen.groups == [GroupWiring("g", [SSH])]

    def test_the_last_call_counts(self) -> None:
        touched = Touched()
        touched.was_removed("p1")
        touched.ensured(port(1), NET, [])
        assert [p.id for p in touched.over(state([])).ports] == ["p1"]
        touched.was_removed("p1")
        assert touched.over(state([port(1)])).ports == []


class TestSevered:
    def between(self, before: HostState, after: HostState) -> set[Severed]:
        return severed.between(Wiring.of(before), Wiring.of(after))

    def test_nothing_changed_nothing_ends(self) -> None:
        one = state([port(1, ["g"])], GroupWiring("g", [SSH, PEERS]))
        assert self.between(one, one) == set()
        more = state(
            [port(1, ["g"]), port(2)], GroupWiring("g", [SSH, PEERS, Rule("x", "egress", "IPv4")])
        )
        assert self.between(one, more) == set()

    def test_all_of_a_removed_port_ends(self) -> None:
        assert self.between(state([port(1)]), state([])) == {Severed("n1", "10.1.0.1")}

    def test_what_a_removed_rule_allowed_ends(self) -> None:
        before = state([port(1, ["g"])], GroupWiring("g", [SSH]))
        after = state([port(1, ["g"])], GroupWiring("g", []))
        expected = Severed("n1", "10.1.0.1", "ingress", 6, (22, 22), None)
        assert self.between(before, after) == {expected}

    def test_leaving_a_group_ends_what_its_rules_allowed(self) -> None:
        before = state([port(1, ["g"])], GroupWiring("g", [SSH]))
        after = state([port(1, [])])
        assert self.between(before, after) == {
            Severed("n1", "10.1.0.1", "ingress", 6, (22, 22), None)
        }

    def test_a_member_that_left_a_remote_group_is_cut_off_alone(self) -> None:
        group = GroupWiring("g", [PEERS])
        friends = GroupWiring("friends", [], ["10.1.0.8", "10.1.0.9"])
        before = state([port(1, ["g"])], group, friends)
        after = state([port(1, ["g"])], group, GroupWiring("friends", [], ["10.1.0.9"]))
        assert self.between(before, after) == {
            Severed("n1", "10.1.0.1", "ingress", None, None, "10.1.0.8")
        }

    def test_it_covers_only_its_own_connections(self) -> None:
        ssh = Severed("n1", "10.1.0.1", "ingress", 6, (22, 22), "10.1.0.0/24")
        assert ssh.covers("10.1.0.9", "10.1.0.1", 6, 22)
        assert not ssh.covers("10.1.0.9", "10.1.0.1", 6, 80)
        assert not ssh.covers("10.1.0.9", "10.1.0.1", 17, 22)
        assert not ssh.covers("10.2.0.9", "10.1.0.1", 6, 22)
        assert not ssh.covers("10.1.0.1", "10.1.0.9", 6, 22)
        assert Severed("n1", "10.1.0.1").covers("10.1.0.1", "192.0.2.1", 1, None)
