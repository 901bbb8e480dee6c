"""libnftables by its JSON (libnftables-json(5)): one transaction, and short words for it.

The builders return the JSON of one statement or command; nothing here knows
what a port is.
"""

import json
import os
import threading
from typing import Any

import nftables

Json = dict[str, Any]
ACCEPT: Json = {"accept": None}
DROP: Json = {"drop": None}
COUNTER: Json = {"counter": None}
MASQUERADE: Json = {"masquerade": None}
_FD_SETSIZE = 1024


class NftError(Exception):
    """The kernel or libnftables refused a transaction; nothing of it was applied."""


class _Context(nftables.Nftables):
    """libnftables keeps the list of interfaces for all of its contexts in one place,
    without a lock: two at once free it twice. So one thread at a time is in the
    library, also when a context goes, which the garbage collector does anywhere."""

    library = threading.RLock()

    def __init__(self) -> None:
        with self.library:
            super().__init__()
            self.set_json_output(True)

    def __del__(self) -> None:
        with self.library:
            super().__del__()


def _require_small_descriptor() -> None:
    """libmnl waits with select(2), and glibc ends a process that gives it a large one."""
    probe = os.open(os.devnull, os.O_RDONLY)
    os.close(probe)
    if probe >= _FD_SETSIZE:
        raise NftError(f"this process has more than {_FD_SETSIZE} files open")


class Nft:
    """A handle on the nftables of the network namespace of the thread that made it."""

    def __init__(self) -> None:
        _require_small_descriptor()
        self._nft = _Context()

    def apply(self, commands: list[Json]) -> None:
        """All of `commands` in one transaction, or NftError and none of them."""
        if commands:
            self._run({"nftables": commands})

    def tables(self) -> set[tuple[str, str]]:
        """(family, name) of every table there is."""
        answer = self._run({"nftables": [{"list": {"tables": None}}]})
        return {
            (item["table"]["family"], item["table"]["name"]) for item in answer if "table" in item
        }

    def base_chains(self) -> list[Json]:
        """Every chain of anybody that hangs on a hook."""
        answer = self._run({"nftables": [{"list": {"chains": None}}]})
        return [item["chain"] for item in answer if "hook" in item.get("chain", {})]

    def _run(self, document: Json) -> list[Json]:
        with _Context.library:
            code, output, error = self._nft.cmd(json.dumps(document))
        if code != 0:
            raise NftError(error.strip() or f"libnftables failed with {code}")
        return json.loads(output)["nftables"] if output else []


class Table:
    """Commands on one table."""

    def __init__(self, family: str, name: str) -> None:
        self.family, self.name = family, name
        self._where = {"family": family, "table": name}

    def recreate(self) -> list[Json]:
        """Empty and new, in the same transaction."""
        table = {"table": {"family": self.family, "name": self.name}}
        return [{"add": table}, {"delete": table}, {"add": table}]

    def delete(self) -> Json:
        return {"delete": {"table": {"family": self.family, "name": self.name}}}

    def chain(self, name: str, hook: str | None = None, priority: int = 0, **extra: Any) -> Json:
        """A chain; with `hook` a base chain whose policy is accept."""
        chain: Json = {**self._where, "name": name}
        if hook:
            chain |= {"type": "filter", "hook": hook, "prio": priority, "policy": "accept"} | extra
        return {"add": {"chain": chain}}

    def flush(self, chain: str) -> Json:
        return {"flush": {"chain": {**self._where, "name": chain}}}

    def drop_chain(self, chain: str) -> Json:
        return {"delete": {"chain": {**self._where, "name": chain}}}

    def rule(self, chain: str, *expressions: Json) -> Json:
        return {"add": {"rule": {**self._where, "chain": chain, "expr": list(expressions)}}}

    def set(self, name: str, *types: str, interval: bool = False) -> Json:
        return {"add": {"set": self._named(name, types, interval)}}

    def map(self, name: str, *types: str, to: str) -> Json:
        return {"add": {"map": {**self._named(name, types, False), "map": to}}}

    def drop_set(self, name: str) -> Json:
        return {"delete": {"set": {**self._where, "name": name}}}

    def elements(self, verb: str, name: str, elements: list[Any]) -> list[Json]:
        """`add` or `delete` elements; no command when there are none."""
        if not elements:
            return []
        return [{verb: {"element": {**self._where, "name": name, "elem": elements}}}]

    def _named(self, name: str, types: tuple[str, ...], interval: bool) -> Json:
        kind: Any = types[0] if len(types) == 1 else list(types)
        flags = {"flags": ["interval"]} if interval else {}
        return {**self._where, "name": name, "type": kind, **flags}


def meta(key: str) -> Json:
    return {"meta": {"key": key}}


def field(protocol: str, name: str) -> Json:
    return {"payload": {"protocol": protocol, "field": name}}


def concat(*parts: Any) -> Json:
    return {"concat": list(parts)}


def prefix(network: Any) -> Any:
    """An `ipaddress` network as a value: a plain address when it is just one."""
    address = str(network.network_address)
    if network.prefixlen == network.max_prefixlen:
        return address
    return {"prefix": {"addr": address, "len": network.prefixlen}}


def match(left: Json, right: Any, op: str = "==") -> Json:
    return {"match": {"op": op, "left": left, "right": right}}


def one_of(*values: Any) -> Json:
    return {"set": list(values)}


def set_to(key: Json, value: Any) -> Json:
    """Write a packet's `key`, such as its mark or its conntrack zone."""
    return {"mangle": {"key": key, "value": value}}


def lookup(key: Json, mapping: str) -> Json:
    return {"map": {"key": key, "data": f"@{mapping}"}}


def vmap(key: Json, mapping: str) -> Json:
    return {"vmap": {"key": key, "data": f"@{mapping}"}}


def jump(chain: str) -> Json:
    return {"jump": {"target": chain}}


def goto(chain: str) -> Json:
    return {"goto": {"target": chain}}
