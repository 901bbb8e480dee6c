"""The identity service as `minova run` and `minova-identity` start it."""

from oslo_config import cfg

from minova.common import errors
from minova.common.auth import WSGIApp
from minova.common.service import RestService, Service
from minova.companions.identity import app
from minova.companions.identity.keys import KeyRing
from minova.db.engine import Database

MIGRATIONS = "minova.companions.identity.migrations"


def services() -> list[Service]:
    """The unstarted services, from `[identity]` of the global config."""
    conf = cfg.CONF.identity
    return [RestService(app.NAME, application(), conf.host, conf.port, conf.threads)]


def application() -> WSGIApp:
    """The WSGI application, from `[identity]` of the global config."""
    conf = cfg.CONF.identity
    if not conf.connection:
        raise errors.Invalid("[identity] connection is not set; give it the database's URL.")
    settings = app.Settings(
        public_endpoint=conf.public_endpoint or f"http://{conf.host}:{conf.port}",
        token_expiration=conf.token_expiration,
        expired_window=conf.allow_expired_window,
        password_rounds=conf.password_hash_rounds,
        max_password_length=conf.max_password_length,
    )
    return app.build(Database(conf.connection), KeyRing(conf.key_repository), settings)
