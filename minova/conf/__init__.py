"""Configuration: one file per section, all registered by `register`.

Everything reads oslo.config's global `cfg.CONF`, because oslo.messaging
insists on it. Secrets are marked so that they never reach a log.
"""

from collections.abc import Sequence

from keystoneauth1 import loading as ka_loading
from oslo_config import cfg

from minova.conf import (
    api,
    compute,
    conductor,
    database,
    default,
    identity,
    image,
    libvirt,
    network,
    quota,
    scheduler,
    volume,
    xray,
)

_SECTIONS = (
    default,
    database,
    api,
    conductor,
    scheduler,
    compute,
    libvirt,
    quota,
    identity,
    image,
    network,
    volume,
    xray,
)
SERVICE_USER = "service_user"


def register(conf: cfg.ConfigOpts = cfg.CONF) -> None:
    """Register every option of minova on `conf`. Idempotent."""
    for section in _SECTIONS:
        for group, options in section.OPTIONS.items():
            conf.register_opts(options, group=None if group == "DEFAULT" else group)
    ka_loading.register_session_conf_options(conf, SERVICE_USER)
    ka_loading.register_auth_conf_options(conf, SERVICE_USER)
    ka_loading.register_adapter_conf_options(conf, SERVICE_USER)


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """For oslo-config-generator: (group, options) of every section."""
    groups = [(g, o) for section in _SECTIONS for g, o in section.OPTIONS.items()]
    session = ka_loading.get_session_conf_options()
    groups.append((SERVICE_USER, [*session, *ka_loading.get_auth_plugin_conf_options("password")]))
    return groups
