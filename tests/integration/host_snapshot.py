"""What a lab could leave behind on a host, as sorted lines of text; two of them are compared.

Alone it prints the snapshot, with the standard library only, so it also runs on a machine that
has no minova: `python3 tests/integration/host_snapshot.py >before`.
"""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

FOLDERS = ("/etc", "/run", "/usr/local", "/opt", "/root", "/home", "/srv", "/var/lib", "/var/log")
CHECKOUT = str(Path(__file__).resolve().parents[2])
# Caches and notes that other programs of the host keep about themselves.
IGNORED = (
    "/etc/group-",
    "/etc/gshadow-",
    "/etc/ld.so.cache",
    "/etc/mtab",
    "/etc/passwd-",
    "/etc/shadow-",
    CHECKOUT,
    "/root/.cache",
    "/run/libvirt",
    "/run/log/journal",
    "/run/netns",
    "/run/host",
    "/run/systemd",
    "/run/udev",
    "/run/utmp",
    "/run/user",
    "/run/sudo",
    "/run/lock",
    "/run/blkid",
    "/run/dbus",
    "/var/lib/apt",
    "/var/lib/dpkg",
    "/var/lib/rabbitmq/mnesia",
    "/var/lib/systemd",
    "/var/log",
)
SYSCTLS = (
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
    "net.bridge.bridge-nf-call-arptables",
)


def snapshot() -> list[str]:
    """One line for each thing; equal hosts give equal lists."""
    lines = [f"link {link['ifname']}" for link in json.loads(output("ip", "-j", "link"))]
    lines += [f"route {line.strip()}" for line in output("ip", "-4", "route").splitlines()]
    lines += [f"rule {line.strip()}" for line in output("ip", "rule").splitlines()]
    lines += [f"netns {line.split()[0]}" for line in output("ip", "netns").splitlines()]
    lines += [f"nft {line}" for line in output("nft", "list", "tables").splitlines()]
    domains = output("virsh", "-c", "qemu:///system", "list", "--all", "--name")
    lines += [f"domain {name}" for name in domains.split()]
    lines += [f"process {name}" for name in processes()]
    lines += [f"user {line}" for line in Path("/etc/passwd").read_text().splitlines()]
    lines += [f"group {line}" for line in Path("/etc/group").read_text().splitlines()]
    lines += [f"unit {line.split()[0]}" for line in units()]
    mounts = (line.split()[1] for line in Path("/proc/mounts").read_text().splitlines())
    lines += [f"mount {path}" for path in mounts if not ignored(path)]
    for name in SYSCTLS:
        path = Path("/proc/sys", name.replace(".", "/"))
        lines += [f"sysctl {name}={path.read_text().strip()}"] if path.exists() else []
    for device in ("/dev/kvm", "/dev/net/tun"):
        if os.path.exists(device):
            info = os.stat(device)
            lines.append(f"device {device} {info.st_uid}:{info.st_gid} {info.st_mode:o}")
    for folder in FOLDERS:
        lines += files(folder)
    return sorted(set(lines))


def processes() -> list[str]:
    """Programs a lab starts, of this network namespace: other ones are other people's."""
    ours, found = os.readlink("/proc/self/ns/net"), []
    watched = ("qemu", "dnsmasq", "minova", "supervisord", "libvirtd", "virtlogd", "beam", "maria")
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name = (entry / "comm").read_text().strip()
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if os.readlink(entry / "ns/net") != ours:
                continue
        except OSError:
            continue
        if name.startswith(watched) or "minova" in command:
            found.append(f"{name} {command[:100].strip()}")
    return [line for line in found if "host_snapshot" not in line and "test_stack" not in line]


def units() -> list[str]:
    if not Path("/run/systemd/system").is_dir():
        return []
    command = ("systemctl", "list-unit-files", "--no-legend", "--state=enabled")
    return output(*command).splitlines()


def files(top: str) -> list[str]:
    lines = []
    for folder, below, names in os.walk(top):
        below[:] = [name for name in below if not ignored(f"{folder}/{name}")]
        for name in (*below, *names):
            path = f"{folder}/{name}"
            if ignored(path):
                continue
            info = os.lstat(path) if os.path.lexists(path) else None
            if info is None:
                continue
            size = info.st_size if stat.S_ISREG(info.st_mode) and top == "/etc" else ""
            lines.append(f"file {path} {info.st_uid}:{info.st_gid} {info.st_mode:o} {size}".strip())
    return lines


def ignored(path: str) -> bool:
    if path.startswith("/var/lib/libvirt/") and "instance-" not in path:
        return True  # what libvirt makes for itself
    return any(path == prefix or path.startswith(prefix + "/") for prefix in IGNORED)


def output(*command: str) -> str:
    """What a command prints; nothing where it is not installed or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30).stdout
    except OSError:
        return ""


if __name__ == "__main__":
    sys.stdout.write("\n".join(snapshot()) + "\n")
