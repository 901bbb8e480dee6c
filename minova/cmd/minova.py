"""`minova`: the operator's one command."""

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import click
from oslo_config import cfg

import minova
from minova.cmd import start
from minova.common import cpus, errors, service_user
from minova.db import engine

_EMBEDDED = list(start.PROGRAMS)


@click.group()
@click.version_option(minova.__version__)
@click.option(
    "--config-file",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False),
    help="Read this file instead of /etc/minova/minova.conf; may be given several times.",
)
@click.pass_context
def main(context: click.Context, files: tuple[str, ...]) -> None:
    """Run, set up and look into a minova cloud."""
    context.obj = files


def _configure(context: click.Context, *, everything: bool = False) -> None:
    """Read the configuration; `everything` also what only single programs may know."""
    files = list(context.obj)
    if everything and not files:
        files = [str(path) for path in sorted(start.CONFIG_FOLDER.glob("minova*.conf"))]
    start.configure("minova", files)


@main.command()
@click.option("--without", multiple=True, type=click.Choice(_EMBEDDED), help="Leave this one out.")
@click.pass_context
def run(context: click.Context, without: tuple[str, ...]) -> None:
    """Every service in this one process: the embedded profile."""
    _configure(context)
    if cfg.CONF.share_one_cpu:
        cpus.share_one()
    programs = [name for name in _EMBEDDED if name not in without]
    start.host("minova", "minova run", programs, lambda: click.echo("minova runs", err=True))


@main.group()
def db() -> None:
    """The databases."""


@db.command()
@click.pass_context
def sync(context: click.Context) -> None:
    """Bring every configured database to the newest schema. Idempotent."""
    _configure(context, everything=True)
    for group, migrations in start.DATABASES.items():
        url = cfg.CONF[group].connection
        if url:
            engine.Database(url).dispose()
            engine.migrate(url, migrations)
            click.echo(f"{group}: up to date")


@main.command()
@click.argument("passwords", type=click.File())
@click.pass_context
def bootstrap(context: click.Context, passwords: Any) -> None:
    """Users, roles, projects and the catalog a cloud begins with. Idempotent.

    PASSWORDS is a JSON file: {"admin": …, "demo": …, "nova": …, "glance": …,
    "neutron": …, "cinder": …}.
    """
    _configure(context, everything=True)
    identity = importlib.import_module("minova.companions.identity.bootstrap")
    conf = cfg.CONF
    secrets = json.load(passwords)
    urls = {
        ("identity", "keystone"): f"http://{conf.identity.host}:{conf.identity.port}/v3",
        ("compute", "nova"): f"http://{conf.api.host}:{conf.api.port}/v2.1",
        ("image", "glance"): f"http://{conf.image.host}:{conf.image.port}",
        ("network", "neutron"): f"http://{conf.network.host}:{conf.network.port}",
        ("block-storage", "cinder"): _volume_url(),
        ("volumev3", "cinderv3"): _volume_url(),
    }
    plan = identity.BootstrapPlan(
        admin_password=secrets.pop("admin"),
        demo_password=secrets.pop("demo"),
        service_passwords=secrets,
        catalog=[identity.CatalogEntry(kind, name, url) for (kind, name), url in urls.items()],
        region=service_user.options().region_name or "RegionOne",
        password_rounds=conf.identity.password_hash_rounds,
    )
    database = engine.Database(conf.identity.connection)
    identity.bootstrap(database, plan)
    database.dispose()
    click.echo("identity: users, roles, projects and catalog are there")


def _volume_url() -> str:
    conf = cfg.CONF.volume
    return f"http://{conf.host}:{conf.port}/v3/$(project_id)s"


@main.group()
def keys() -> None:
    """The Fernet keys that encrypt tokens."""


@keys.command()
@click.pass_context
def setup(context: click.Context) -> None:
    """Make the first keys, if there are none."""
    _configure(context, everything=True)
    module = importlib.import_module("minova.companions.identity.keys")
    made = module.setup(Path(cfg.CONF.identity.key_repository))
    click.echo("keys made" if made else "keys are there already")


@keys.command()
@click.pass_context
def rotate(context: click.Context) -> None:
    """Make a new primary key; tokens of older keys stay valid until those are dropped."""
    _configure(context, everything=True)
    module = importlib.import_module("minova.companions.identity.keys")
    conf = cfg.CONF.identity
    primary = module.rotate(Path(conf.key_repository), conf.max_active_keys)
    click.echo(f"key {primary} is the primary now")


@main.command()
@click.option("--microversion", default="latest", help="2.N, or `latest`, which is the default.")
@click.pass_context
def openapi(context: click.Context, microversion: str) -> None:
    """The compute API as an OpenAPI 3.1 document, on standard output."""
    _configure(context)
    microversions = importlib.import_module("minova.api.microversions")
    try:
        version = microversions.parse(microversion)
    except errors.MinovaError as error:
        raise click.BadParameter(error.message, param_hint="--microversion") from None
    options = cfg.CONF.api
    module = importlib.import_module("minova.api.openapi")
    url = f"http://{options.host}:{options.port}"
    click.echo(json.dumps(module.document(engine.Database("sqlite://"), version, url), indent=1))


@main.command()
@click.argument("server")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_context
def xray(context: click.Context, server: str, as_json: bool) -> None:
    """The seventeen steps of SERVER's launch (its name or id), as they happened."""
    _configure(context)
    module = importlib.import_module("minova.xray.show")
    try:
        module.show(server, as_json=as_json)
    except errors.MinovaError as error:
        click.echo(error.message, err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
