"""A whole cloud for tests: real processes, real HTTP, a folder of its own, free ports.

`Cloud` writes the configuration, makes the databases, starts `minova run`
(one process) or every program on its own, and stops them. Tests drive it
with openstacksdk or the command-line clients, as a user would.
"""

import contextlib
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import openstack
from openstack.connection import Connection

from minova.cmd.start import DATABASES, PROGRAMS

BIN = Path(sys.executable).parent
SERVICE_PORTS = {
    "identity": "port",
    "image": "port",
    "network": "port",
    "volume": "port",
    "api": "port",
    "metadata": "metadata_port",
    "console": "port",
}
START_SECONDS = 60
_UNEXPECTED = re.compile(
    r".*the answer is not what its call says.*|.* (?:GET|POST|PUT|PATCH|DELETE|HEAD) \S+ failed$",
    re.MULTILINE,
)


@dataclass
class Cloud:
    """`transport` and `databases` (option group -> URL) default to local:// and SQLite.

    `programs` None is the embedded profile, one process; otherwise each of
    these is a process. `options` are extra lines of configuration by section.
    """

    folder: Path
    transport: str = "local://"
    databases: dict[str, str] = field(default_factory=dict)
    programs: list[str] | None = None
    options: dict[str, dict[str, object]] = field(default_factory=dict)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)
        self.ports = dict(zip(SERVICE_PORTS, free_ports(len(SERVICE_PORTS)), strict=True))
        self.passwords = {
            name: secrets.token_hex(12)
            for name in ("admin", "demo", "nova", "glance", "neutron", "cinder")
        }
        for group in DATABASES:
            self.databases.setdefault(group, f"sqlite:///{self.folder}/{group}.sqlite")

    @property
    def auth_url(self) -> str:
        return f"http://127.0.0.1:{self.ports['identity']}/v3"

    @property
    def config_file(self) -> Path:
        return self.folder / "minova.conf"

    def start(self) -> "Cloud":
        """Make everything and wait until the API and a compute host answer."""
        self.write_config()
        passwords = self.folder / "passwords.json"
        passwords.write_text(json.dumps(self.passwords))
        self.minova("db", "sync")
        self.minova("keys", "setup")
        self.minova("bootstrap", str(passwords))
        for program in self.programs or ["minova"]:
            self.start_program(program)
        self.wait_ready()
        return self

    def start_program(self, program: str) -> None:
        """Start one process (again); its log is FOLDER/PROGRAM.log."""
        with (self.folder / f"{program}.log").open("ab") as log:
            self.processes[program] = subprocess.Popen(
                self.command(program),
                stdout=log,
                stderr=log,
                env=self.environment(),
                start_new_session=True,
            )

    def command(self, program: str) -> list[str]:
        """How a program is started."""
        command = [str(BIN / program), "--config-file", str(self.config_file)]
        return [*command, "run"] if program == "minova" else command

    def kill(self, program: str) -> None:
        """kill -9, and wait until it is gone."""
        process = self.processes.pop(program)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=10)

    def stop(self) -> None:
        """Stop every process; kill -9 what does not stop in time."""
        for process in self.processes.values():
            process.terminate()
        for name, process in self.processes.items():
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                print(f"{name} does not stop")
                process.kill()
                process.wait(timeout=10)
        self.processes.clear()

    def minova(self, *arguments: str) -> str:
        """Run the operator's command; its output."""
        command = [str(BIN / "minova"), "--config-file", str(self.config_file), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=self.environment()
        )
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def client(self, *command: str, user: str = "demo") -> subprocess.CompletedProcess[str]:
        """Run an unmodified client (`openstack`, `nova`) as a user; not checked."""
        return subprocess.run(
            [str(BIN / command[0]), *command[1:]],
            capture_output=True,
            text=True,
            timeout=300,
            env=self.user_environment(user),
        )

    def user_environment(self, user: str) -> dict[str, str]:
        """OS_* variables of `demo` or `admin`."""
        return self.environment() | {
            "OS_AUTH_URL": self.auth_url,
            "OS_USERNAME": user,
            "OS_PASSWORD": self.passwords[user],
            "OS_PROJECT_NAME": user,
            "OS_USER_DOMAIN_NAME": "Default",
            "OS_PROJECT_DOMAIN_NAME": "Default",
            "OS_IDENTITY_API_VERSION": "3",
        }

    def connect(self, user: str = "demo", *, project: str | None = None) -> Connection:
        """An openstacksdk connection as a user of `passwords`, to the project called like him."""
        return openstack.connection.Connection(
            auth={
                "auth_url": self.auth_url,
                "username": user,
                "password": self.passwords[user],
                "project_name": project or user,
                "user_domain_name": "Default",
                "project_domain_name": "Default",
            },
            region_name="RegionOne",
        )

    def wait_ready(self) -> None:
        """Until a compute host can be scheduled to; the logs' ends in the error otherwise."""
        deadline = time.monotonic() + START_SECONDS
        self._wait_for("ports", self._listening, deadline)
        with contextlib.closing(self.connect("admin")) as admin:
            self._wait_for("a compute host", lambda: self._computes(admin), deadline)
            self._wait_for("a network agent", lambda: any(self._agents(admin)), deadline)

    def _wait_for(self, what: str, there: Callable[[], bool], deadline: float) -> None:
        last: object = None
        while time.monotonic() < deadline:
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended: {self.log(name)}"
            try:
                if there():
                    return
            except Exception as error:
                last = error
            time.sleep(0.1)
        raise AssertionError(f"the cloud does not get {what}: {last!r}\n{self.logs()}")

    @staticmethod
    def _agents(admin: Connection) -> Iterator[bool]:
        return (agent.is_alive for agent in admin.network.agents())

    def _listening(self) -> bool:
        for port in self.ports.values():
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True

    @staticmethod
    def _computes(admin: Connection) -> bool:
        services = admin.compute.services()
        return any(s.binary == "nova-compute" and s.state == "up" for s in services)

    def log(self, program: str) -> str:
        """The end of a program's log."""
        return (self.folder / f"{program}.log").read_text()[-6000:]

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{self.log(name)}" for name in self.processes)

    def unexpected(self) -> list[str]:
        """Requests that ended in a 500, also for an answer that is not what its schema says."""
        logs = (path.read_text(errors="replace") for path in self.folder.glob("*.log"))
        return [found for log in logs for found in _UNEXPECTED.findall(log)]

    def environment(self) -> dict[str, str]:
        """Of every process of the cloud."""
        keep = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
        return keep | {"PYTHONWARNINGS": "ignore"}

    def write_config(self) -> None:
        """Write the configuration file of every program."""
        sections: dict[str, dict[str, object]] = {
            "DEFAULT": {
                "state_path": self.folder,
                "transport_url": self.transport,
                "host": "host-1",
                "use_stderr": True,
            },
            "api": {
                "port": self.ports["api"],
                "metadata_port": self.ports["metadata"],
                "metadata_secret": secrets.token_hex(16),
                "response_validation": "error",
            },
            "compute": {"virt_driver": "fake", "report_interval": 2},
            "conductor": {"recovery_interval": 1},
            "network_agent": {
                "driver": "noop",
                "metadata_url": f"http://127.0.0.1:{self.ports['metadata']}",
            },
            "volume": {"export_path": self.folder / "exports"},
            "identity": {"password_hash_rounds": 4},
            "service_user": self._service_user(),
            "keystone_authtoken": self._service_user()
            | {"www_authenticate_uri": self.auth_url, "token_cache_time": 10},
        }
        for name in ("identity", "image", "network", "volume", "console"):
            sections.setdefault(name, {})["port"] = self.ports[name]
        for group, url in self.databases.items():
            sections.setdefault(group, {})["connection"] = url
        for group, values in self.options.items():
            sections.setdefault(group, {}).update(values)
        lines = []
        for group, values in sections.items():
            lines += [f"[{group}]", *(f"{key} = {value}" for key, value in values.items()), ""]
        self.config_file.write_text("\n".join(lines))
        self.config_file.chmod(0o600)

    def _service_user(self) -> dict[str, object]:
        return {
            "auth_type": "password",
            "auth_url": self.auth_url,
            "username": "nova",
            "password": self.passwords["nova"],
            "project_name": "service",
            "user_domain_name": "Default",
            "project_domain_name": "Default",
            "region_name": "RegionOne",
        }


ALL_PROGRAMS = list(PROGRAMS)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()
