"""How every process begins: configuration, logging, tracing, services."""

import faulthandler
import importlib
import logging
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from oslo_config import cfg
from oslo_log import log as oslo_log

import minova
from minova import conf
from minova.common import errors, service
from minova.common.service import Service

LOG = logging.getLogger(__name__)
CONFIG_FOLDER = Path("/etc/minova")

# Program -> (name in the services list and the X-ray, module whose `services()` makes its parts).
PROGRAMS: dict[str, tuple[str, str]] = {
    "minova-identity": ("minova-identity", "minova.companions.identity.service"),
    "minova-image": ("minova-image", "minova.companions.image.service"),
    "minova-volume": ("minova-volume", "minova.companions.volume.service"),
    "minova-network": ("minova-network", "minova.companions.network.service"),
    "minova-network-agent": ("minova-network-agent", "minova.companions.network.agent.service"),
    "minova-xray": ("minova-xray", "minova.xray.service"),
    "minova-conductor": ("nova-conductor", "minova.conductor.service"),
    "minova-scheduler": ("nova-scheduler", "minova.scheduler.service"),
    "minova-api": ("nova-api", "minova.api.service"),
    "minova-compute": ("nova-compute", "minova.compute.service"),
    "minova-console": ("minova-console", "minova.console.service"),
}
# They take no part in a launch and keep off the message bus: no spans, and a third less memory.
UNTRACED = {"minova-console"}

# Option group that holds a service's database URL -> package of its migrations.
DATABASES: dict[str, str] = {
    "database": "minova.db.migrations",
    "identity": "minova.companions.identity.migrations",
    "image": "minova.companions.image.migrations",
    "network": "minova.companions.network.migrations",
    "volume": "minova.companions.volume.migrations",
}
_QUIET = ("amqp", "oslo.messaging", "oslo_messaging", "urllib3", "stevedore", "keystoneauth")


def configure(program: str, files: Sequence[str] = (), arguments: Iterable[str] = ()) -> None:
    """Read the configuration and set up logging.

    Without `files`: /etc/minova/minova.conf and /etc/minova/PROGRAM.conf, as
    far as they exist. The second holds what only this program may know, such
    as its database's password.
    """
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    conf.register()
    if "debug" not in cfg.CONF:
        oslo_log.register_options(cfg.CONF)
    found = list(files) or [
        str(path)
        for path in (CONFIG_FOLDER / "minova.conf", CONFIG_FOLDER / f"{program}.conf")
        if path.exists()
    ]
    cfg.CONF(
        list(arguments),
        project="minova",
        prog=program,
        version=minova.__version__,
        default_config_files=found,
        default_config_dirs=[],
    )
    oslo_log.set_defaults(
        default_log_levels=[*oslo_log.get_default_log_levels(), *(f"{n}=WARNING" for n in _QUIET)]
    )
    oslo_log.setup(cfg.CONF, program)
    # `kill -USR1` shows what every thread is doing, in the log's stderr.
    faulthandler.register(signal.SIGUSR1, all_threads=True)


def services_of(programs: Iterable[str]) -> list[Service]:
    """The unstarted parts of these programs, in the order given."""
    parts: list[Service] = []
    for program in programs:
        module = importlib.import_module(PROGRAMS[program][1])
        parts.extend(module.services())
    return parts


def trace(process: str) -> list[Service]:
    """Record spans from now on, if configured; the parts that carry them away."""
    if not cfg.CONF.xray.enabled:
        return []
    from minova.common import tracing
    from minova.xray import recorder

    carrier = recorder.Recorder(process)
    tracing.setup(process, recorder.sampler(), carrier, *recorder.otlp_processors())
    return [carrier]


def serve(program: str, ready: Callable[[], None] | None = None) -> None:
    """Run one program until it is told to stop; `--config-file` and such on its command line."""
    configure(program, arguments=sys.argv[1:])
    host(program, PROGRAMS[program][0], [program], ready)


def host(
    program: str, process: str, programs: Sequence[str], ready: Callable[[], None] | None = None
) -> None:
    """Run `programs` in this configured process; exits with one sentence when they cannot start."""
    LOG.info("%s %s starts", program, minova.__version__)
    traced = [] if UNTRACED.issuperset(programs) else trace(process)
    try:
        service.run([*traced, *services_of(programs)], ready)
    except errors.MinovaError as error:
        LOG.critical("%s cannot start: %s", program, error.message)
        sys.exit(f"{program} cannot start: {error.message}")
