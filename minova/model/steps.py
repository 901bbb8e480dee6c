"""The seventeen steps of a launch, and the span that marks each.

Code that performs a step wraps it in `with step(n, instance=uuid):`. The
X-ray reads the spans back by number; this table gives each its words.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import Span

from minova.common import tracing


@dataclass(frozen=True)
class Step:
    """One step: who does it, and over what it reaches the next."""

    number: int
    title: str
    process: str
    transport: str


LAUNCH = tuple(
    Step(number, title, process, transport)
    for number, (title, process, transport) in enumerate(
        (
            ("the client authenticates at identity", "minova-identity", "REST"),
            ("the client sends POST /servers", "nova-api", "REST"),
            ("identity validates the token; policy decides", "nova-api", "REST"),
            ("request checked; the instance enters the DB", "nova-api", "DB"),
            ("the launch is cast to the conductor; 202", "nova-api", "RPC cast"),
            ("the scheduler takes the request", "nova-scheduler", "RPC call"),
            ("a host is filtered, weighed and claimed", "nova-scheduler", "DB"),
            ("nova-compute takes the build", "nova-compute", "RPC cast"),
            ("compute asks the conductor for the instance", "nova-compute", "RPC call"),
            ("the conductor reads the DB and answers", "nova-conductor", "DB"),
            ("the image's metadata and location", "nova-compute", "REST"),
            ("the image in the cache, the disk on top", "nova-compute", "REST"),
            ("a port: MAC, address, filter, DHCP", "nova-compute", "REST"),
            ("the volumes and their connections", "nova-compute", "REST"),
            ("domain XML and config drive", "nova-compute", "libvirt"),
            ("libvirt starts the domain", "nova-compute", "libvirt"),
            ("ACTIVE, through the conductor", "nova-compute", "RPC call"),
        ),
        start=1,
    )
)


def title(number: int) -> str:
    """`step 13 (a port: MAC, address, filter, DHCP)`, for faults and logs."""
    return f"step {number} ({LAUNCH[number - 1].title})"


@contextmanager
def step(
    number: int, *, instance: str | None = None, code: str | None = None, **attributes: Any
) -> Iterator[Span]:
    """Mark the block as step `number` of the launch of `instance` (its uuid).

    `code` is the `file:function` shown for it, by default the caller's.
    """
    entry = LAUNCH[number - 1]
    with tracing.span(
        f"step {number}: {entry.title}",
        code=code or tracing.code_location(3),
        step=number,
        instance=instance,
        transport=attributes.pop("transport", entry.transport),
        **attributes,
    ) as current:
        yield current
