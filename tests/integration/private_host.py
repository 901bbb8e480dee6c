"""This machine once more, as a host of its own: what is done to it, nobody else sees.

Same programs, but an overlay for files, and own namespaces for networks, processes and mounts.
All of it goes with its first process. A fixture for stack.sh, which wants a whole host.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Self

TOP = Path(__file__).resolve().parents[2]
NEEDS = ("unshare", "nsenter", "mount", "ip")

# The first process of the new host. It reaps orphans until its input ends.
_START = """
set -e
mount --make-rprivate /
mount -t overlay overlay -o lowerdir=/,upperdir={work}/upper,workdir={work}/work {root}
mount --rbind /dev {root}/dev
mount -t proc proc {root}/proc
mount -t sysfs sysfs {root}/sys
mount -t tmpfs -o mode=755 tmpfs {root}/run
mkdir -p {root}/run/lock
mount -t tmpfs -o mode=1777 tmpfs {root}/tmp
if [ ! -e {root}{top}/pyproject.toml ]; then # on a file system of its own
    mkdir -p {root}{top} {work}/top {work}/top-work
    layers=lowerdir={top},upperdir={work}/top,workdir={work}/top-work
    mount -t overlay overlay -o $layers {root}{top}
fi
rm -rf {root}/etc/minova {root}/var/lib/minova {root}/var/log/minova
rm -rf {root}/etc/libvirt/qemu/instance-* {root}/var/lib/libvirt/qemu/*
sed -i '/^# minova: /,+1d' {root}/etc/libvirt/qemu.conf
ip link set lo up
sysctl -qw net.ipv4.ip_forward=0
mkdir {root}/run/outside
cd {root}
# Not chroot: whoever enters this mount namespace anew, as libvirt does, would be outside.
pivot_root . run/outside
umount -l run/outside
rmdir run/outside
cd /
exec bash -c 'echo ready; while read -r; do :; done'
"""


class PrivateHost:
    """`with PrivateHost() as host: host.run("ip", "link")`."""

    def __enter__(self) -> Self:
        # Not in /tmp, which may be memory: databases and disks go there.
        self.work = Path(tempfile.mkdtemp(prefix="minova-host.", dir="/var/tmp"))
        for name in ("upper", "work", "root"):
            (self.work / name).mkdir()
        self.root = self.work / "root"
        script = _START.format(work=self.work, root=self.root, top=TOP)
        namespaces = ("--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child")
        self._process = subprocess.Popen(
            ["unshare", *namespaces, "bash", "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self.__exit__()
            raise RuntimeError("no host of its own could be made; see above")
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self._pid = children.read_text().split()[0]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait(timeout=30)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        shutil.rmtree(self.work, ignore_errors=True)

    def command(self, *command: str) -> list[str]:
        """The command line that runs `command` on the host, from outside."""
        namespaces = ("--mount", "--net", "--pid", "--uts", "--ipc", "--wdns=/")
        return ["nsenter", "--target", self._pid, *namespaces, *command]

    def network_command(self, *command: str) -> list[str]:
        """The command line that runs `command` on our own files, in the host's network."""
        return ["nsenter", "--target", self._pid, "--net", *command]

    def run(self, *command: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run to the end; the caller judges the status."""
        environment = {**os.environ, "HOME": "/root", "LANG": "C.UTF-8"}
        environment["PATH"] = f"{environment.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
        return subprocess.run(
            self.command(*command),
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment,
            stdin=subprocess.DEVNULL,
        )
