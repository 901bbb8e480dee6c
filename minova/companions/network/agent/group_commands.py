"""Security groups as nftables commands: two chains and two sets each. Pure; no I/O.

A group's rules stand in its own chains, which the chains of its ports jump
to; its members' addresses stand in sets, which the rules of other groups
name. So a new rule, or a new member, is one small change for all ports.
"""

import ipaddress
import logging
from collections.abc import Collection, Mapping

from minova.companions.network.agent import group_rules, nft
from minova.companions.network.agent.nft import Json, Table
from minova.companions.network.wire import GroupWiring, Rule

LOG = logging.getLogger(__name__)
_SETS = {4: "ipv4_addr", 6: "ipv6_addr"}
Groups = Mapping[str, GroupWiring]


def declare(table: Table, before: Groups, after: Groups) -> list[Json]:
    """Chains and sets of new groups, still empty, and the change of all groups' members."""
    commands = []
    for group_id in after:
        if group_id not in before:
            commands += [table.chain(name) for name in chains(group_id)]
            commands += [
                table.set(group_rules.members_set(group_id, version), kind, interval=True)
                for version, kind in _SETS.items()
            ]
    for group_id, group in after.items():
        former = before[group_id].member_ips if group_id in before else []
        if former != group.member_ips:
            commands += _members(table, group_id, former, group.member_ips)
    return commands


def empty(table: Table, group: GroupWiring) -> list[Json]:
    """Take the group's rules away."""
    return [table.flush(chain) for chain in chains(group.id)]


def rules(table: Table, group: GroupWiring, leave_out: Collection[Rule]) -> list[tuple[Rule, Json]]:
    """Each rule with its command; senseless ones are logged and left out."""
    commands = []
    for rule in group.rules:
        if rule in leave_out:
            continue
        try:
            expressions = group_rules.expressions(rule)
        except group_rules.BadRule as error:
            LOG.error("rule %s of security group %s is left out: %s", rule.id, group.id, error)
            continue
        chain = group_rules.chain_name(rule.direction, group.id)
        commands.append((rule, table.rule(chain, *expressions)))
    return commands


def forget(table: Table, before: Groups, after: Groups) -> list[Json]:
    """Take away the groups that are no more; nothing may name them any longer."""
    gone = [group_id for group_id in before if group_id not in after]
    names = [name for group_id in gone for name in chains(group_id)]
    sets = [group_rules.members_set(g, version) for g in gone for version in _SETS]
    return [
        *(table.flush(name) for name in names),
        *(table.drop_chain(name) for name in names),
        *(table.drop_set(name) for name in sets),
    ]


def chains(group_id: str) -> list[str]:
    """The names of a group's chains."""
    return [group_rules.chain_name(direction, group_id) for direction in ("ingress", "egress")]


def _members(table: Table, group_id: str, before: list[str], after: list[str]) -> list[Json]:
    commands = []
    for version in _SETS:
        name = group_rules.members_set(group_id, version)
        old, new = _networks(before, version), _networks(after, version)
        commands += table.elements("delete", name, [nft.prefix(n) for n in sorted(old - new)])
        commands += table.elements("add", name, [nft.prefix(n) for n in sorted(new - old)])
    return commands


def _networks(members: list[str], version: int) -> set[ipaddress.IPv4Network]:
    """The valid ones of `version`, none inside another (nft refuses overlaps)."""
    found = []
    for member in members:
        try:
            network = ipaddress.ip_network(member, strict=False)
        except ValueError:
            LOG.error("%r is no address; it is left out of its security group", member)
            continue
        if network.version == version:
            found.append(network)
    # Adjacent hosts would collapse into a range and change with every newcomer: only
    # drop what a true range covers already.
    ranges = [n for n in found if n.prefixlen < n.max_prefixlen]
    covering = set(ipaddress.collapse_addresses(ranges))  # type: ignore[type-var]
    hosts = {n for n in found if n.prefixlen == n.max_prefixlen}
    return covering | {h for h in hosts if not any(h.subnet_of(c) for c in covering)}  # type: ignore
