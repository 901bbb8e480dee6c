"""Configuration: one file per section, all registered by `register`.

Everything reads oslo.config's global `cfg.CONF`, because oslo.messaging
insists on it. Secrets are marked so that they never reach a log.
"""

from collections.abc import Sequence

from oslo_config import cfg

from minova.conf import (
    api,
    compute,
    conductor,
    console,
    database,
    default,
    identity,
    image,
    libvirt,
    network,
    notifications,
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
    console,
    libvirt,
    quota,
    identity,
    image,
    network,
    notifications,
    volume,
    xray,
)
# The section with the login at the cloud's other services. `common.service_user`
# registers it: keystoneauth costs a process 6 MB, and half of them call nobody.
SERVICE_USER = "service_user"


def register(conf: cfg.ConfigOpts = cfg.CONF) -> None:
    """Register every option of minova on `conf`, but the service user's. Idempotent."""
    for section in _SECTIONS:
        for group, options in section.OPTIONS.items():
            conf.register_opts(options, group=None if group == "DEFAULT" else group)


def list_opts() -> list[tuple[str, Sequence[cfg.Opt]]]:
    """For oslo-config-generator: (group, options) of every section."""
    from keystoneauth1 import loading

    groups = [(g, o) for section in _SECTIONS for g, o in section.OPTIONS.items()]
    session = loading.get_session_conf_options()
    groups.append((SERVICE_USER, [*session, *loading.get_auth_plugin_conf_options("password")]))
    return groups
