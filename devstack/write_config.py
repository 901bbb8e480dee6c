"""Writes /etc/minova from the lab's settings; run by stack.sh, with the venv's Python.

Passwords are made once and kept (0600). `minova.conf` holds what every
process may know; what only one may know, its database and its user, is in
a file of its own, so that nova-compute never sees a database's password.
In the embedded profile there is one process, and one file.
"""

import grp
import json
import os
import secrets
import socket
import sys
from pathlib import Path

CONFIG = Path(os.environ["CONFIG_PATH"])
STATE = Path(os.environ["STATE_PATH"])
FULL = os.environ["PROFILE"] == "full"
LISTEN = os.environ["LISTEN"]
AUTH_URL = f"http://{LISTEN}:{os.environ['IDENTITY_PORT']}/v3"

SECRETS = ("admin", "demo", "nova", "glance", "neutron", "cinder", "metadata", "rabbit")
DATABASES = ("nova", "identity", "image", "network", "volume")
# Program -> (its database's option group and name, its user at identity).
PROGRAMS = {
    "minova-identity": (("identity", "identity"), None),
    "minova-image": (("image", "image"), "glance"),
    "minova-network": (("network", "network"), "neutron"),
    "minova-volume": (("volume", "volume"), "cinder"),
    "minova-api": (("database", "nova"), "nova"),
    "minova-conductor": (("database", "nova"), "nova"),
    "minova-scheduler": (("database", "nova"), "nova"),
    "minova-network-agent": (None, "neutron"),
    "minova-compute": (None, "nova"),
    "minova-xray": (None, None),
    "minova-console": (None, None),
}
Sections = dict[str, dict[str, object]]


def main() -> None:
    CONFIG.mkdir(mode=0o755, exist_ok=True)
    passwords = kept_secrets()
    common = common_sections(passwords)
    if FULL:
        write("minova.conf", common, group="minova")
        for program, (database, user) in PROGRAMS.items():
            own: Sections = {}
            if database is not None:
                group, name = database
                url = f"mysql+pymysql://{name}:{passwords['db_' + name]}@127.0.0.1/minova_{name}"
                own[group] = {"connection": url}
            if user is not None:
                own |= service_user(user, passwords)
            root_only = program in ("minova-compute", "minova-network-agent")
            write(f"{program}.conf", own, group=None if root_only else "minova")
    else:
        for name in DATABASES:
            group = "database" if name == "nova" else name
            common.setdefault(group, {})["connection"] = f"sqlite:///{STATE}/db/{name}.sqlite"
        write("minova.conf", common | service_user("nova", passwords), group=None)
        for program in PROGRAMS:
            (CONFIG / f"{program}.conf").unlink(missing_ok=True)
    write_clouds(passwords)


def kept_secrets() -> dict[str, str]:
    """Random passwords, made on the first run."""
    path = CONFIG / "secrets.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for name in (*SECRETS, *(f"db_{name}" for name in DATABASES)):
        known.setdefault(name, secrets.token_urlsafe(18))
    private(path, json.dumps(known, indent=2) + "\n")
    users = {name: known[name] for name in SECRETS[:6]}
    private(CONFIG / "passwords.json", json.dumps(users) + "\n")
    return known


def common_sections(passwords: dict[str, str]) -> Sections:
    transport = "local://"
    if FULL:
        transport = f"rabbit://minova:{passwords['rabbit']}@127.0.0.1:5672/minova"
    return {
        "DEFAULT": {
            "host": socket.gethostname(),
            "state_path": STATE,
            "log_dir": os.environ["LOG_PATH"],
            "transport_url": transport,
        },
        "oslo_messaging_rabbit": {
            "rabbit_interval_max": 3,
            "kombu_reconnect_delay": 0.5,
            "heartbeat_timeout_threshold": 15,
        },
        "identity": endpoint("IDENTITY_PORT"),
        "image": endpoint("IMAGE_PORT"),
        "network": endpoint("NETWORK_PORT") | {"mtu": os.environ["PRIVATE_MTU"]},
        "volume": endpoint("VOLUME_PORT"),
        "console": endpoint("CONSOLE_PORT"),
        "api": endpoint("COMPUTE_PORT")
        | {
            "metadata_port": os.environ["METADATA_PORT"],
            "metadata_secret": passwords["metadata"],
        },
        "network_agent": {"metadata_url": f"http://{LISTEN}:{os.environ['METADATA_PORT']}"},
        "libvirt": {"virt_type": os.environ["VIRT_TYPE"]},
    }


def endpoint(port: str) -> dict[str, object]:
    return {"host": LISTEN, "port": os.environ[port]}


def service_user(name: str, passwords: dict[str, str]) -> Sections:
    """How a service signs in at identity, as a client and to validate tokens."""
    user: dict[str, object] = {
        "auth_type": "password",
        "auth_url": AUTH_URL,
        "username": name,
        "password": passwords[name],
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        "region_name": "RegionOne",
    }
    validation = user | {"www_authenticate_uri": AUTH_URL, "token_cache_time": 30}
    return {"service_user": user, "keystone_authtoken": validation}


def write_clouds(passwords: dict[str, str]) -> None:
    """clouds.yaml for the owner of the lab; JSON is YAML."""

    def cloud(user: str) -> dict[str, object]:
        auth = {
            "auth_url": AUTH_URL,
            "username": user,
            "password": passwords[user],
            "project_name": user,
            "user_domain_name": "Default",
            "project_domain_name": "Default",
        }
        return {"auth": auth, "region_name": "RegionOne", "identity_api_version": "3"}

    clouds = {"clouds": {"minova": cloud("demo"), "minova-admin": cloud("admin")}}
    private(CONFIG / "clouds.yaml", json.dumps(clouds, indent=2) + "\n")


def write(name: str, sections: Sections, group: str | None) -> None:
    """A file for root, and for `group` if one is named."""
    lines = ["# Written by devstack/stack.sh; changes here are lost at its next run.", ""]
    for section, values in sections.items():
        lines += [f"[{section}]", *(f"{key} = {value}" for key, value in values.items()), ""]
    path = CONFIG / name
    private(path, "\n".join(lines))
    if group is not None:
        os.chown(path, 0, grp.getgrnam(group).gr_gid)
        path.chmod(0o640)


def private(path: Path, text: str) -> None:
    """Write a file that only root reads, whole or not at all."""
    part = path.with_suffix(path.suffix + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main())
