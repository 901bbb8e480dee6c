"""A RabbitMQ of a test's own, which may be killed and started again."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Self

from tests.cloud import free_ports

SERVER = "/usr/lib/rabbitmq/bin/rabbitmq-server"
START_SECONDS = 60


def missing() -> str:
    """Why a broker cannot run here; empty when it can."""
    if os.geteuid() != 0:
        return "needs root"
    return "" if Path(SERVER).exists() else "needs rabbitmq-server"


class PrivateRabbit:
    """Throw-away data, free ports. `url` is oslo.messaging's."""

    def __init__(self) -> None:
        self._port, dist = free_ports(2)
        self._folder = Path(tempfile.mkdtemp(prefix="minova-rabbit-", dir="/var/tmp"))
        user = pwd.getpwnam("rabbitmq")
        os.chown(self._folder, user.pw_uid, user.pw_gid)
        places = {
            "RABBITMQ_MNESIA_BASE": "mnesia",
            "RABBITMQ_LOG_BASE": "log",
            "RABBITMQ_CONFIG_FILE": "none",
            "RABBITMQ_ENABLED_PLUGINS_FILE": "plugins",
            "RABBITMQ_PID_FILE": "pid",
            "RABBITMQ_CONF_ENV_FILE": "none",
        }
        self._environment = {
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
            "HOME": str(self._folder),
            "RABBITMQ_NODENAME": f"minova-{uuid.uuid4().hex[:8]}@localhost",
            "RABBITMQ_NODE_PORT": str(self._port),
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_DIST_PORT": str(dist),
            **{name: str(self._folder / place) for name, place in places.items()},
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"rabbit://guest:guest@127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Start it (again), and wait until it listens."""
        with (self._folder / "out.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["runuser", "-u", "rabbitmq", "--", SERVER],
                cwd="/",
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            assert time.monotonic() < deadline, (self._folder / "out.log").read_text()
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9 everything of it. Idempotent."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=10)
            self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0
