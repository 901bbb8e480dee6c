"""The volume service as `minova run` and `minova-volume` start it."""

from dataclasses import dataclass

from oslo_config import cfg

from minova.common import errors
from minova.common.auth import WSGIApp
from minova.common.service import Periodic, RestService, Service
from minova.companions.volume.api import app
from minova.companions.volume.api.volumes import Defaults
from minova.companions.volume.attaching import Attaching
from minova.companions.volume.exports import Exports
from minova.companions.volume.peers import Peers
from minova.companions.volume.store import Store
from minova.companions.volume.work import Workshop
from minova.db.engine import Database

MIGRATIONS = "minova.companions.volume.migrations"


def services() -> list[Service]:
    """The unstarted services, from `[volume]` of the global config."""
    conf = cfg.CONF.volume
    parts = build_parts()
    return [
        parts.workshop,
        Recovery(parts.attaching),
        Periodic(app.NAME, "volume-exports", conf.export_check_interval, parts.attaching.check),
        RestService(app.NAME, app.build(parts), conf.host, conf.port, conf.threads),
    ]


def application() -> WSGIApp:
    """The WSGI application for one process of another server, with its worker threads."""
    parts = build_parts()
    parts.workshop.start()
    parts.attaching.resume()
    return app.build(parts)


@dataclass(frozen=True)
class Recovery:
    """Ends detachments a crash interrupted and exports anew what a reboot ended."""

    attaching: Attaching

    def start(self) -> None:
        self.attaching.resume()

    def stop(self) -> None:
        """Exports go on without this service: guests use them."""


def build_parts() -> app.Parts:
    """Everything behind the API, from the global config."""
    conf = cfg.CONF.volume
    if not conf.connection:
        raise errors.Invalid("[volume] connection is not set; give it the database's URL.")
    host = cfg.CONF.host
    db = Database(conf.connection)
    store = Store(conf.volumes_path)
    exports = Exports(store, conf.export_path, conf.export_group)
    peers = Peers()
    return app.Parts(
        db=db,
        workshop=Workshop(db, store, exports, peers, host, conf.workers),
        attaching=Attaching(db, exports, peers, host),
        peers=peers,
        defaults=Defaults(
            host=host,
            availability_zone=conf.availability_zone,
            format=conf.volume_format,
            max_size_gb=conf.max_volume_size_gb,
            max_limit=conf.max_limit,
            quota_volumes=conf.quota_volumes,
            quota_gigabytes=conf.quota_gigabytes,
            quota_snapshots=conf.quota_snapshots,
        ),
    )
