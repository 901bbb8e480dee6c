"""What the agent calls its things on a host, and how it knows its own again.

A bridge and the host's end of a DHCP namespace carry an alias (`ip -d link`
shows it) made of the prefix, the network's id and its conntrack zone. So an
agent that starts, or the cleanup after it, needs no file to know what is
ours; another prefix is another agent's.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Names:
    """The names of one agent; `prefix` is also the name of its nftables tables."""

    prefix: str = "minova"

    @property
    def table(self) -> str:
        return self.prefix

    def alias(self, network_id: str, zone: int) -> str:
        return f"{self.prefix} network {network_id} zone {zone}"

    def read_alias(self, alias: str | None) -> tuple[str, int] | None:
        """(network id, zone) of an alias we wrote; None for anything else."""
        words = (alias or "").split()
        if len(words) == 5 and words[:2] == [self.prefix, "network"] and words[3] == "zone":
            return words[2], int(words[4])
        return None

    def namespace(self, network_id: str) -> str:
        return f"qdhcp-{network_id}"

    def dhcp_port(self, network_id: str) -> str:
        """The host's end of the pair into the namespace, a port of the bridge."""
        return f"dh-{network_id[:11]}"

    def dhcp_inner(self, network_id: str) -> str:
        """The namespace's end."""
        return f"ns-{network_id[:11]}"
