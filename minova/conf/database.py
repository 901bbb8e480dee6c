"""[database]: where nova-api, conductor and scheduler keep their state."""

from oslo_config import cfg

CONNECTION_HELP = (
    "SQLAlchemy URL of the service's database, e.g. sqlite:////var/lib/minova/db/{0}.sqlite, "
    "mysql+pymysql://user:password@host/{0} or postgresql+psycopg://user:password@host/{0}."
)


def connection(name: str) -> cfg.StrOpt:
    """The `connection` option of a service whose database is called `name`."""
    return cfg.StrOpt("connection", secret=True, help=CONNECTION_HELP.format(name))


OPTIONS = {"database": [connection("nova")]}
