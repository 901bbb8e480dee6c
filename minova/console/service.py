"""minova-console: one listener, beside each nova-compute."""

from minova.common.service import Service
from minova.console.proxy import Proxy


def services() -> list[Service]:
    """The listener, not started."""
    return [Proxy()]
