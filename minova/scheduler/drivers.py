"""How candidates are ordered: `filter` (default) and `chance`.

Both leave hosts out that cannot do it; they differ in how they choose among
the rest. `DRIVERS` maps the configured name to the function.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from oslo_config import cfg

from minova.scheduler import filters, weighers
from minova.scheduler.filters import Request
from minova.scheduler.host_state import HostState


@dataclass(frozen=True)
class Candidates:
    """Hosts to try in order, and why each other host is not among them."""

    hosts: list[HostState]
    refused: dict[str, str]


def by_filters(hosts: list[HostState], request: Request) -> Candidates:
    """Every enabled filter, then the best weight first."""
    passed, refused = _sift(hosts, request, cfg.CONF.scheduler.enabled_filters)
    return Candidates(weighers.best_first(passed, request), refused)


def by_chance(hosts: list[HostState], request: Request) -> Candidates:
    """Any host that is up, in random order; the claim decides whether it has room."""
    passed, refused = _sift(hosts, request, ["ComputeFilter", "AvailabilityZoneFilter"])
    return Candidates(random.sample(passed, len(passed)), refused)


def _sift(
    hosts: list[HostState], request: Request, names: list[str]
) -> tuple[list[HostState], dict[str, str]]:
    passed, refused = [], {}
    names = ["ForcedFilter"] if request.forced else names
    for host in hosts:
        for name in names:
            reason = filters.FILTERS[name](host, request)
            if reason:
                refused[host.host] = f"{name}: {reason}"
                break
        else:
            passed.append(host)
    return passed, refused


DRIVERS: dict[str, Callable[[list[HostState], Request], Candidates]] = {
    "filter": by_filters,
    "chance": by_chance,
}
