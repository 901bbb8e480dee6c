"""The unmodified clients against the real programs: minova-identity and minova-volume."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import openstack
import pytest

from minova.companions.identity import bootstrap, keys
from minova.companions.identity import service as identity_service
from minova.companions.volume import service
from minova.db import engine
from tests.functional.volume.conftest import wait_for

BIN = Path(sys.executable).parent
PASSWORD = "pässword"
CONFIGURATION = """
[DEFAULT]
host = lab
state_path = {folder}
[identity]
connection = {identity_db}
port = {identity_port}
[volume]
connection = {volume_db}
port = {volume_port}
export_path = {run}
[xray]
enabled = false
"""
LOGIN = """
[{section}]
auth_type = password
auth_url = {auth_url}
username = cinder
password = {password}
project_name = service
user_domain_id = default
project_domain_id = default
"""


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    """The URL of an identity service whose catalog has a volume service."""
    folder = tmp_path_factory.mktemp("clients")
    run = Path(tempfile.mkdtemp(prefix="mv-", dir="/tmp"))
    ports = [_free_port() for _ in range(2)]
    auth_url = f"http://127.0.0.1:{ports[0]}/v3"
    values = {
        "folder": folder,
        "run": run,
        "identity_db": f"sqlite:///{folder}/identity.sqlite",
        "volume_db": f"sqlite:///{folder}/volume.sqlite",
        "identity_port": ports[0],
        "volume_port": ports[1],
    }
    text = CONFIGURATION.format(**values)
    for section in ("keystone_authtoken", "service_user"):
        text += LOGIN.format(section=section, auth_url=auth_url, password=PASSWORD)
    configuration = folder / "minova.conf"
    configuration.write_text(text)
    _bootstrap(values, folder, auth_url)
    programs = [
        subprocess.Popen([BIN / name, "--config-file", configuration])
        for name in ("minova-identity", "minova-volume")
    ]
    try:
        for port in ports:
            _wait_for(port)
        yield auth_url
    finally:
        for program in programs:
            program.send_signal(signal.SIGTERM)
            assert program.wait(30) == 0
        shutil.rmtree(run)


def _bootstrap(values, folder, auth_url):
    engine.migrate(values["identity_db"], identity_service.MIGRATIONS)
    engine.migrate(values["volume_db"], service.MIGRATIONS)
    keys.setup(folder / "identity" / "fernet-keys")
    db = engine.Database(values["identity_db"])
    volume_url = f"http://127.0.0.1:{values['volume_port']}/v3/$(project_id)s"
    bootstrap.bootstrap(
        db,
        bootstrap.BootstrapPlan(
            admin_password=PASSWORD,
            demo_password=PASSWORD,
            service_passwords={"cinder": PASSWORD},
            catalog=[
                bootstrap.CatalogEntry("identity", "keystone", auth_url),
                bootstrap.CatalogEntry("block-storage", "cinder", volume_url),
            ],
            password_rounds=4,
        ),
    )
    db.dispose()


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for(port):
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


@pytest.fixture
def cli(endpoint):
    """Runs `openstack` as the user demo; its JSON output."""
    env = {
        "PATH": os.environ["PATH"],
        "OS_AUTH_URL": endpoint,
        "OS_USERNAME": "demo",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "demo",
        "OS_USER_DOMAIN_ID": "default",
        "OS_PROJECT_DOMAIN_ID": "default",
        "PYTHONUTF8": "1",
    }

    def run(*arguments, fmt=True, **more):
        command = [BIN / "openstack", *arguments, *(("-f", "json") if fmt else ())]
        done = subprocess.run(
            command, env={**env, **more}, capture_output=True, text=True, timeout=120
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    return run


def test_openstackclient_creates_shows_and_deletes_a_volume(cli):
    created = cli("volume", "create", "--size", "1", "--property", "a=b", "vol1")
    assert created["name"] == "vol1"
    listed = cli("volume", "list")
    assert [(each["Name"], each["Size"]) for each in listed] == [("vol1", 1)]
    shown = cli("volume", "show", "vol1")
    assert (shown["status"], shown["properties"]) == ("available", {"a": "b"})
    cli("volume", "set", "--name", "vol2", "--size", "2", "--bootable", "vol1", fmt=False)
    shown = cli("volume", "show", "vol2")
    assert shown["bootable"] in ("true", True)
    cli("volume", "delete", "vol2", fmt=False)
    assert cli("volume", "list") == []


def test_openstackclient_lists_what_belongs_to_volumes(cli):
    assert cli("volume", "snapshot", "list") == []
    assert [each["Name"] for each in cli("volume", "type", "list")] == ["default"]
    limits = {each["Name"]: each["Value"] for each in cli("limits", "show", "--absolute")}
    assert limits["max_total_volumes"] == 10, limits
    services = cli("volume", "service", "list", OS_USERNAME="admin", OS_PROJECT_NAME="admin")
    assert {each["State"] for each in services} == {"up"}


def _connect(endpoint):
    return openstack.connect(
        auth_url=endpoint,
        username="demo",
        password=PASSWORD,
        project_name="demo",
        user_domain_id="default",
        project_domain_id="default",
        app_name="test",
    )


def test_openstacksdk_goes_through_a_volumes_life(endpoint):
    cloud = _connect(endpoint)
    volume = cloud.block_storage.create_volume(name="sdk", size=1, metadata={"k": "v"})
    volume = cloud.block_storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    assert cloud.block_storage.find_volume("sdk").id == volume.id
    cloud.block_storage.extend_volume(volume, 2)
    wait_for(lambda: cloud.block_storage.get_volume(volume).size == 2)
    cloud.block_storage.set_volume_metadata(volume, x="y")
    assert cloud.block_storage.get_volume_metadata(volume).metadata == {"k": "v", "x": "y"}
    cloud.block_storage.update_volume(volume, description="words")
    server_id = "0" * 8 + "-0000-4000-8000-" + "0" * 12
    attachment = cloud.block_storage.create_attachment(volume, instance=server_id, connector=None)
    assert attachment.status == "reserved"
    cloud.block_storage.delete_attachment(attachment)
    assert next(iter(cloud.block_storage.types())).name == "default"
    assert cloud.block_storage.get_quota_set(cloud.current_project_id).volumes == 10
    cloud.block_storage.delete_volume(volume)
    cloud.block_storage.wait_for_delete(volume, interval=0.1, wait=30)


def test_forged_headers_make_nobody_a_service(endpoint):
    cloud = _connect(endpoint)
    volume = cloud.block_storage.create_volume(name="forged", size=1)
    volume = cloud.block_storage.wait_for_status(volume, "available", interval=0.1, wait=30)
    body = {"attachment": {"volume_uuid": volume.id, "connector": {"host": "mine"}}}
    token = cloud.auth_token
    for forged in (
        {"X-Service-Roles": "service", "X-Service-Identity-Status": "Confirmed"},
        {"X-Roles": "admin,service", "X-Is-Admin-Project": "True"},
        {"X-Service-Token": token},
        {"X-Service-Token": "nonsense"},
    ):
        answer = cloud.block_storage.post(
            "/attachments", json=body, headers=forged, microversion="3.44"
        )
        assert answer.status_code in (401, 403), answer.text
    cloud.block_storage.delete_volume(volume)
    cloud.block_storage.wait_for_delete(volume, interval=0.1, wait=30)
