"""Entry points of the full profile: one process per service."""

from collections.abc import Callable

from minova.cmd import start


def _program(name: str) -> Callable[[], None]:
    def main() -> None:
        start.serve(name)

    main.__doc__ = f"Run {name} in the foreground until SIGTERM."
    return main


api = _program("minova-api")
conductor = _program("minova-conductor")
scheduler = _program("minova-scheduler")
compute = _program("minova-compute")
console = _program("minova-console")
identity = _program("minova-identity")
image = _program("minova-image")
network = _program("minova-network")
network_agent = _program("minova-network-agent")
volume = _program("minova-volume")
xray = _program("minova-xray")
