"""A libvirtd of our own, in its own network and mount namespaces: one "compute host" for tests.

In a test module:

    pytest_plugins = ["tests.integration.private_libvirt"]

    def test_something(private_libvirt): ...

or, for several hosts or another scope, `with PrivateLibvirt("name") as host:`. It collides neither
with the machine's own libvirtd nor with another private one, and everything goes with it.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

NEEDS = ("libvirtd", "virtlogd", "qemu-system-x86_64", "qemu-img", "ip", "nsenter", "genisoimage")
_SEARCH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))

_LIBVIRTD_CONF = """
host_uuid = "{uuid}"
listen_tls = 0
listen_tcp = 0
auth_unix_rw = "none"
unix_sock_group = "root"
unix_sock_rw_perms = "0770"
log_outputs = "3:file:{root}/log/libvirtd.log"
"""

_QEMU_CONF = """
security_driver = "none"
cgroup_controllers = [ ]
namespaces = [ ]
user = "libvirt-qemu"
group = "kvm"
dynamic_ownership = 1
"""

# Runs inside the new namespaces. /dev/kvm is made anew because the host's own may be closed to
# QEMU's user, and its mode is not ours to change.
_START = """
set -e
mount --make-rprivate /
hostname {name}
for pair in run:/run/libvirt varlib:/var/lib/libvirt etc:/etc/libvirt \
            cache:/var/cache/libvirt log:/var/log/libvirt; do
    mkdir -p "${{pair#*:}}"
    mount --bind {root}/"${{pair%%:*}}" "${{pair#*:}}"
done
mount -t tmpfs tmpfs /run/lock
if [ -e /dev/kvm ] && mknod -m 660 {root}/kvm c 10 232 2>/dev/null; then
    chown root:kvm {root}/kvm
    mount --bind {root}/kvm /dev/kvm
fi
virtlogd -d -p /run/libvirt/virtlogd.pid
libvirtd -d -p /run/libvirt/libvirtd.pid
# As process 1 of the host we reap what is orphaned: libvirt waits for an ended QEMU to vanish.
while :; do sleep 3600 & wait $!; done
"""


def missing() -> str:
    """Why private libvirtds cannot run here; empty when they can."""
    if os.geteuid() != 0:
        return "needs root"
    absent = [tool for tool in NEEDS if shutil.which(tool, path=_SEARCH) is None]
    return f"needs {', '.join(absent)}" if absent else ""


class PrivateLibvirt:
    """`uri` reaches it from anywhere on the machine; `path` holds what guests may read.

    `netns` is its network namespace: bridges and taps of its guests are there.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name or f"mt-{uuid.uuid4().hex[:8]}"
        self.netns = self.name
        self.path = Path(tempfile.mkdtemp(prefix=f"{self.name}-", dir="/tmp"))
        self.path.chmod(0o755)
        self.root = self.path / "host"
        self.socket = self.root / "run" / "libvirt-sock"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        return f"qemu+unix:///system?socket={self.socket}"

    def start(self) -> None:
        """Bring it up and wait until it answers."""
        for folder in (
            *("run", "cache", "log", "varlib/boot", "varlib/images", "varlib/qemu"),
            *("etc/nwfilter", "etc/qemu/networks/autostart", "etc/secrets", "etc/storage"),
        ):
            (self.root / folder).mkdir(parents=True)
        shutil.chown(self.root / "varlib" / "qemu", "libvirt-qemu", "libvirt-qemu")
        identity = uuid.uuid5(uuid.NAMESPACE_DNS, str(self.path))
        (self.root / "etc/libvirtd.conf").write_text(
            _LIBVIRTD_CONF.format(uuid=identity, root=self.root)
        )
        (self.root / "etc/qemu.conf").write_text(_QEMU_CONF)
        _run("ip", "netns", "add", self.netns)
        _run("ip", "-n", self.netns, "link", "set", "lo", "up")
        unshare = ("unshare", "-m", "-u", "-p", "--fork", "--kill-child", "--mount-proc")
        self._process = subprocess.Popen(
            ("ip", "netns", "exec", self.netns, *unshare, "bash", "-c", self._script()),
            env={**os.environ, "PATH": _SEARCH},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self.root / "log" / "start.log").open("wb"),
        )
        self._await_socket()

    def _script(self) -> str:
        return _START.format(name=self.name, root=self.root)

    def run(self, *command: str) -> str:
        """Run a command on this host (its processes, network, mounts and name); its output."""
        assert self._process is not None, "the host is not up"
        pid = self._process.pid
        child = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0]
        return _run("nsenter", "-t", child, "-m", "-n", "-u", "-p", *command)

    def add_bridge(self, name: str) -> str:
        """A bridge that guests' taps may join."""
        _run("ip", "-n", self.netns, "link", "add", name, "type", "bridge")
        _run("ip", "-n", self.netns, "link", "set", name, "up")
        return name

    def kill_libvirtd(self) -> None:
        """kill -9 libvirtd and wait until it is gone; guests and virtlogd go on."""
        pid = (self.root / "run" / "libvirtd.pid").read_text().strip()
        self.run("bash", "-c", f"kill -9 {pid}; while kill -0 {pid} 2>&-; do sleep 0.01; done")

    def start_libvirtd(self) -> None:
        """Start libvirtd again after `kill_libvirtd`."""
        self.run("libvirtd", "-d", "-p", "/run/libvirt/libvirtd.pid")
        self._await_socket()

    def stop(self) -> None:
        """End the host with its guests and daemons, and remove every trace. Idempotent."""
        if self._process is not None:
            self._process.kill()  # its process 1 goes with it, and that takes all others along
            self._process.wait(timeout=20)
            self._process = None
        subprocess.run(["ip", "netns", "del", self.netns], check=False, capture_output=True)
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _await_socket(self) -> None:
        def answers() -> bool:
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(str(self.socket)) == 0

        _await(answers, 20, f"libvirtd of {self.name}")


def _run(*command: str) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PATH": _SEARCH}
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:6])}: {done.stderr.strip()}")
    return done.stdout


def _await(condition, seconds: float, what: str) -> None:
    # These are foreign processes that tell nobody when they are ready, so we ask.
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} took more than {seconds} s")
        time.sleep(0.02)


@pytest.fixture(scope="session")
def private_libvirt() -> Iterator[PrivateLibvirt]:
    """One private libvirtd for all tests of the session."""
    reason = missing()
    if reason:
        pytest.skip(f"no private libvirtd: {reason}")
    with PrivateLibvirt() as host:
        yield host
