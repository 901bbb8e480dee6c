"""nova-api's services: the compute API and the metadata API."""

from oslo_config import cfg

from minova.api import app, metadata
from minova.clients import session
from minova.common.auth import WSGIApp
from minova.common.service import Periodic, RestService, Service
from minova.db.engine import Database

NAME = "nova-api"
MIGRATIONS = "minova.db.migrations"


def services() -> list[Service]:
    """The unstarted services of nova-api, by the global configuration."""
    options = cfg.CONF.api
    db = Database(cfg.CONF.database.connection)
    return [
        RestService(NAME, app.build(db), options.host, options.port, options.threads),
        RestService(
            "nova-metadata", metadata.build(db), options.host, options.metadata_port, threads=4
        ),
        Periodic(NAME, "log-in", session.LOG_IN_SECONDS, session.warm_up),
    ]


def application() -> WSGIApp:
    """The compute API alone, for a WSGI server of the operator's choice."""
    return app.build(Database(cfg.CONF.database.connection))
