"""The configuration of tests that run minova's code in their own process."""

import contextlib

from keystoneauth1 import loading
from oslo_config import cfg

from minova import conf

_GROUPS = ("keystone_authtoken", "service_user")


def configure() -> None:
    """Every option at its default, whatever earlier tests have registered.

    An auth plugin registers options that are required from then on, and
    would make the next reading of the configuration fail.
    """
    cfg.CONF.reset()
    for group in _GROUPS:
        for option in loading.get_auth_plugin_conf_options("password"):
            with contextlib.suppress(cfg.NoSuchGroupError):
                cfg.CONF.unregister_opt(option, group=group)
    conf.register()
    cfg.CONF([], project="minova", default_config_files=[], default_config_dirs=[])
