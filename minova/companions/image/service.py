"""The image service's process: its database, its store, its HTTP server, its sweep."""

from oslo_config import cfg

from minova.common.auth import WSGIApp
from minova.common.service import Periodic, RestService, Service
from minova.companions.image import app
from minova.companions.image.store import Store
from minova.companions.image.transfer import Limits, Transfers
from minova.db.engine import Database

MIGRATIONS = "minova.companions.image.migrations"
_MIB, _GIB = 1024**2, 1024**3
# Leftovers of this process's own past are swept at its start; later sweeps
# find those of other processes that share the store.
_SWEEP_SECONDS = 300


def services() -> list[Service]:
    """The image service, not started, as `[image]` configures it."""
    conf = cfg.CONF.image
    wsgi_app, transfers = _assemble()
    return [
        Periodic("minova-image", "image-sweep", _SWEEP_SECONDS, transfers.sweep),
        RestService("minova-image", wsgi_app, conf.host, conf.port, conf.threads),
    ]


def application() -> WSGIApp:
    """The API for a WSGI server such as gunicorn; run `services()` once per store as well."""
    return _assemble()[0]


def _assemble() -> tuple[WSGIApp, Transfers]:
    conf = cfg.CONF.image
    db, store = Database(conf.connection), Store(conf.store_path)
    limits = Limits(
        size=conf.max_image_size_mib * _MIB,
        virtual_size=conf.max_virtual_size_gib * _GIB,
        uploads=max(1, conf.threads - 2),
    )
    transfers = Transfers(db, store, limits)
    return app.build(db, store, transfers), transfers
