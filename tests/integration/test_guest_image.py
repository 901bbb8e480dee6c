"""The guest image does what Tempest and a person at the console expect of it, under plain QEMU."""

import base64
import contextlib
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
BOOT_SECONDS = 60
UUID = "6f5f9b0e-29c1-4d36-a4a6-70c4c7a0c8a1"
PROLOGUE = "set -eu -o pipefail; PATH=$PATH:/sbin:/usr/sbin; "  # Tempest's ssh_shell_prologue
USER_DATA = '#!/bin/sh\necho "user-data says $(id -un)"\necho once >>/home/cirros/user-data-runs\n'

pytestmark = [
    pytest.mark.integration,
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(map(shutil.which, ("qemu-system-x86_64", "qemu-img", "genisoimage", "ssh"))),
        reason="needs qemu-system-x86, qemu-utils, genisoimage and openssh-client",
    ),
]


class Guest:
    """A guest under QEMU: its console as lines to wait for, its monitor, and SSH into it."""

    def __init__(self, folder, image, key, *, memory, network, drives=()):
        self.folder, self.key = folder, key
        self.port = _free_port()
        self._console = ""
        self._news = threading.Condition()
        self._monitor, self._agent = folder / "qmp", folder / "agent"
        disk = folder / "disk.qcow2"
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", image, disk, "1G"],
            check=True,
        )
        self.process = subprocess.Popen(
            [
                *("qemu-system-x86_64", "-accel", "tcg,thread=single,tb-size=64"),
                *("-machine", "pc", "-m", str(memory), "-nodefaults", "-display", "none"),
                *("-serial", "stdio", "-qmp", f"unix:{self._monitor},server=on,wait=off"),
                *("-drive", f"file={disk},format=qcow2,if=none,id=root"),
                *("-device", "virtio-blk-pci,drive=root,serial=root-disk"),
                *("-netdev", f"user,id=net0,hostfwd=tcp:127.0.0.1:{self.port}-:22{network}"),
                *("-device", "virtio-net-pci,netdev=net0,mac=52:54:00:00:00:01"),
                *("-object", "rng-random,id=rng,filename=/dev/urandom"),
                *("-device", "virtio-rng-pci,rng=rng"),
                *("-chardev", f"socket,id=agent,path={self._agent},server=on,wait=off"),
                *("-device", "virtio-serial-pci"),
                *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
                *drives,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while chunk := os.read(self.process.stdout.fileno(), 4096):
            with self._news:
                self._console += chunk.decode(errors="replace").replace("\r", "")
                self._news.notify_all()

    def wait_for(self, pattern, *, after=0, seconds=BOOT_SECONDS):
        """Return the match of `pattern` on the console, from offset `after` on."""
        expression = re.compile(pattern)
        with self._news:
            self._news.wait_for(lambda: expression.search(self._console, after), seconds)
            match = expression.search(self._console, after)
            assert match, f"no {pattern!r} on the console:\n{self._console[after:]}"
            return match

    def end_of_console(self):
        with self._news:
            return len(self._console)

    def type(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def ssh_command(self, command, user="cirros", options=()):
        return [
            *("ssh", "-q", "-i", self.key, "-p", str(self.port), "-F", "none"),
            *("-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"),
            *(*options, "-o", "BatchMode=yes", "-o", "ConnectTimeout=30"),
            *(f"{user}@127.0.0.1", command),
        ]

    def run(self, command):
        """Run a command over SSH as Tempest does, and return what it printed."""
        shared = ("-o", "ControlMaster=auto", "-o", f"ControlPath={self.folder}/ssh")
        shared += ("-o", "ControlPersist=60")
        result = subprocess.run(
            self.ssh_command(PROLOGUE + command, options=shared),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
        return result.stdout.strip()

    def monitor(self, *commands):
        """Give QMP commands, each a name and its arguments."""
        with _json_stream(self._monitor) as stream:
            stream.readline()
            for command in [("qmp_capabilities", {}), *commands]:
                answer = _asked(stream, *command)
                assert "error" not in answer, answer

    def agent(self, name, **arguments):
        """What the guest agent answers."""
        with _json_stream(self._agent) as stream:
            return _asked(stream, name, arguments)

    def kill(self):
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def _json_stream(path):
    with socket.socket(socket.AF_UNIX) as channel:
        channel.settimeout(30)
        channel.connect(str(path))
        with channel.makefile("rw") as stream:
            yield stream


def _asked(stream, name, arguments):
    stream.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
    stream.flush()
    answer = {"event": ""}
    while "event" in answer:
        answer = json.loads(stream.readline())
    return answer


def _free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def until(condition, seconds=30):
    """Poll the guest (each round is an SSH command, so no sleep) until `condition` holds."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, f"not within {seconds} s"
    return result


@pytest.fixture(scope="module")
def image():
    subprocess.run([REPOSITORY / "tools" / "build-guest-image"], check=True)
    return REPOSITORY / "build" / "guest" / "minova-guest.qcow2"


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("key") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def meta_data(key, name):
    return {
        "uuid": UUID,
        "name": name,
        "hostname": f"{name}.novalocal",
        "public_keys": {'a "quoted" name': key.with_suffix(".pub").read_text()},
        "keys": [{"name": "k", "type": "ssh", "data": "not this one"}],
        "meta": {"uuid": "neither this"},
    }


def config_drive(folder, key, kind="iso9660"):
    content = folder / "config" / "openstack" / "latest"
    content.mkdir(parents=True)
    (content / "meta_data.json").write_text(json.dumps(meta_data(key, "drive-guest")))
    (content / "user_data").write_text(USER_DATA)
    path = folder / "config.img"
    if kind == "vfat":
        with path.open("wb") as file:
            file.truncate(4 << 20)
        subprocess.run(["mkfs.vfat", "-n", "config-2", path], check=True, capture_output=True)
        subprocess.run(["mcopy", "-s", "-i", path, content.parent, "::/"], check=True)
        return path
    subprocess.run(
        ["genisoimage", "-quiet", "-J", "-r", "-V", "config-2", "-o", path, folder / "config"],
        check=True,
    )
    return path


@pytest.fixture(scope="module")
def guest(tmp_path_factory, image, key):
    """A guest with its config drive on an IDE CD-ROM, as minova gives it, that is ready."""
    folder = tmp_path_factory.mktemp("guest")
    drive = config_drive(folder, key)
    drives = ("-drive", f"file={drive},format=raw,if=ide,media=cdrom,readonly=on")
    guest = Guest(folder, image, key, memory=128, network="", drives=drives)
    try:
        guest.wait_for("MINOVA-GUEST: ready")
        yield guest
    finally:
        guest.kill()


def test_the_console_tells_the_boot(guest):
    guest.wait_for(r"MINOVA-GUEST: initrd \(up ")
    guest.wait_for(rf"metadata source=/dev/sr0 id={UUID} hostname=drive-guest keys=1 \(up ")
    guest.wait_for(r"MINOVA-GUEST: ready, interfaces: eth0=10\.0\.2\.15/24 \(up [\d.]+s\)")


def test_user_data_runs_as_root(guest):
    guest.wait_for("user-data says root")
    guest.wait_for("user-data ended, exit status 0")


def test_ssh_takes_the_key_and_nothing_else(guest):
    assert guest.run("id -un") == "cirros"
    for user, options in [
        ("root", ()),
        ("cirros", ("-o", "PubkeyAuthentication=no", "-o", "PasswordAuthentication=yes")),
    ]:
        refused = subprocess.run(guest.ssh_command("true", user, options), timeout=60)
        assert refused.returncode == 255


def log_in(guest, user, password):
    """Log in on the serial console and out again."""
    seen = guest.end_of_console()
    guest.type("\n")
    guest.wait_for("login: ", after=seen)
    guest.type(f"{user}\n")
    guest.wait_for("Password: ", after=seen)
    time.sleep(0.5)  # login drops what comes right after it has asked, and says nothing more
    guest.type(f"{password}\n")
    guest.wait_for(r"[$#] ", after=seen)
    guest.type("echo $((6 * 7)) $(id -un) $(sudo id -un); exit\n")
    guest.wait_for(f"42 {user} root", after=seen)


def password_login(guest, user, password):
    """Whether SSH lets one in."""
    program = guest.folder / "askpass"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{password}\nEND\n")
    program.chmod(0o700)
    options = ("-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1")
    said = subprocess.run(
        guest.ssh_command("id -un", user, ("-o", "BatchMode=no", *options)),
        env={**os.environ, "SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return said.stdout == f"{user}\n"


def test_the_console_takes_the_password_that_ssh_does_not(guest):
    log_in(guest, "cirros", "gocubsgo")
    assert not password_login(guest, "cirros", "gocubsgo")


def test_passwords_that_the_agent_sets_are_taken(guest):
    guest.wait_for("guest agent on /dev/")
    for user, password in (("cirros", 'a: "$c" \\'), ("root", "n3w")):
        secret = base64.b64encode(password.encode()).decode()
        done = guest.agent("guest-set-user-password", username=user, password=secret, crypted=False)
        assert done == {"return": {}}
    until(lambda: password_login(guest, "cirros", 'a: "$c" \\'))
    assert password_login(guest, "root", "n3w")
    assert not password_login(guest, "cirros", "gocubsgo")
    log_in(guest, "root", "n3w")
    refused = guest.agent("guest-set-user-password", username="nobody", password="", crypted=False)
    assert "error" in refused
    assert guest.run("id -un") == "cirros", "keys count as before"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("hostname", "drive-guest"),
        ("sudo id -u", "0"),
        ("sudo sh -c 'id -un; id -gn' | tr '\\n' ' '", "root root"),
        ("sudo -n true && echo yes", "yes"),
        ("grep -c ^processor /proc/cpuinfo", "1"),
        ("cat /sys/block/vda/serial", "root-disk"),
        ("lsblk -lb --nodeps | awk '$1 == \"vda\" { print $4, $6 }'", "1073741824 disk"),
        ("lsblk -lb --nodeps | sed -n 1p | tr -s ' '", "NAME MAJ:MIN RM SIZE RO TYPE MOUNTPOINTS"),
        ("lsblk --noheadings --output NAME --nodeps | sort | tr '\\n' ' '", "sr0 vda"),
        ("sudo blkid | grep config-2 | cut -d: -f1", "/dev/sr0"),
        ("ip -o link | awk '/52:54:00:00:00:01/ { print $2 }'", "eth0:"),
        ("ip -o addr | awk '/10.0.2.15/ { print $2 }'", "eth0"),
        ("ip route | grep -c '^default via 10.0.2.2 dev eth0'", "1"),
        ("sudo readlink -f /proc/$(cat /var/run/udhcpc.eth0.pid)/exe", "/usr/bin/busybox"),
        ("ping -c1 -w10 10.0.2.2 | grep -c '1 received'", "1"),
        ("ping -c1 -w10 -M do -s 100 10.0.2.2 | grep -c '1 received'", "1"),
        ("ping6 -c1 -w10 ::1 | grep -c '1 received'", "1"),
        ("date +%Y | grep -c ^20", "1"),
        ("for n in 1 2 3; do sync; touch /tmp/$n; done; ls /tmp/2", "/tmp/2"),
        ("false | true && echo no pipefail || echo pipefail", "pipefail"),
        ("curl --version | sed -n 1p | cut -d' ' -f1", "curl"),
    ],
)
def test_a_command_answers_as_tempest_expects(guest, command, expected):
    assert guest.run(f"sudo cat /proc/uptime >/dev/null; {command}") == expected


def test_the_root_file_system_fills_the_disk(guest):
    assert int(guest.run("df -m / | awk 'NR == 2 { print $2 }'")) > 900


def test_the_config_drive_can_be_mounted(guest):
    guest.run("sudo mount /dev/sr0 /mnt")
    assert UUID in guest.run("cat /mnt/openstack/latest/meta_data.json")
    guest.run("sudo umount /mnt")


def test_root_can_write_to_the_console(guest):
    seen = guest.end_of_console()
    guest.run("sudo sh -c 'echo a line for the console >/dev/console'")
    guest.wait_for("a line for the console", after=seen, seconds=30)


def test_nc_serves_again_and_again(guest):
    server = "nc -lk -p 8080 -e echo foolish >/dev/null 2>&1 &"
    guest.run(f"nohup {server}")
    until(lambda: "foolish" in guest.run("nc 127.0.0.1 8080 </dev/null || true"))
    assert (
        guest.run("nc 127.0.0.1 8080 </dev/null; nc 127.0.0.1 8080 </dev/null").count("foolish")
        == 2
    )


def test_a_renewed_lease_leaves_the_session_alone(guest):
    guest.run("sudo /bin/kill -USR1 $(cat /var/run/udhcpc.eth0.pid)")
    assert guest.run("cat /etc/resolv.conf | grep nameserver") == "nameserver 10.0.2.3"


def test_a_disk_comes_is_used_and_goes(guest):
    disk = guest.folder / "extra.img"
    with disk.open("wb") as file:
        file.truncate(32 << 20)
    node = {"driver": "raw", "node-name": "extra"}
    node["file"] = {"driver": "file", "filename": str(disk)}
    device = {"driver": "virtio-blk-pci", "drive": "extra", "id": "extra-disk", "serial": "volume"}
    guest.monitor(("blockdev-add", node), ("device_add", device))
    until(lambda: guest.run("cat /sys/block/vdb/serial 2>/dev/null || true") == "volume")
    for kind in ("vfat", "ext4"):
        guest.run(f"sudo mkfs -t {kind} /dev/vdb; sudo mount /dev/vdb /mnt")
        guest.run("sudo sh -c 'date >/mnt/timestamp; sync'; sudo umount /mnt")
        assert f'TYPE="{kind}"' in guest.run("sudo blkid -c /dev/null /dev/vdb")
    guest.monitor(("device_del", {"id": "extra-disk"}))
    until(lambda: "vdb" not in guest.run("lsblk --noheadings --output NAME --nodeps"))


def test_an_interface_comes_and_goes(guest):
    mac = "52:54:00:00:00:02"
    device = {"driver": "virtio-net-pci", "netdev": "net1", "id": "extra-nic", "mac": mac}
    guest.monitor(("netdev_add", {"type": "user", "id": "net1"}), ("device_add", device))
    until(lambda: mac in guest.run("ip -o link"))
    guest.run("sudo ip link set eth1 up; sudo ip addr add 10.9.9.9/24 dev eth1")
    guest.monitor(("device_del", {"id": "extra-nic"}))
    until(lambda: mac not in guest.run("ip -o link"))


def test_a_reboot_keeps_the_server_and_runs_no_script_again(guest):
    seen = guest.end_of_console()
    with contextlib.suppress(AssertionError):  # the session may end before it can say so
        guest.run("sudo reboot")
    guest.wait_for("MINOVA-GUEST: ready", after=seen)
    (guest.folder / "ssh").unlink(missing_ok=True)
    assert guest.run("cat user-data-runs; hostname") == "once\ndrive-guest"


def test_the_power_button_shuts_down_cleanly(guest):
    """Runs last: the guest is off afterwards."""
    seen = guest.end_of_console()
    guest.monitor(("system_powerdown", {}))
    guest.wait_for("power button, shutting down", after=seen, seconds=30)
    assert guest.process.wait(60) == 0


def run_to_the_end(*options):
    """Run a guest that switches itself off, and return its console."""
    command = ["qemu-system-x86_64", "-m", "128", "-nodefaults", "-display", "none"]
    command += ["-serial", "stdio", "-no-reboot", *options]
    return subprocess.run(command, check=True, capture_output=True, timeout=60).stdout.decode()


@pytest.mark.parametrize("machine", ["pc", "q35"])
@pytest.mark.parametrize("accelerator", ["tcg", "kvm"])
def test_the_boot_sector_speaks_and_switches_off(image, machine, accelerator):
    if accelerator == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        pytest.skip("needs /dev/kvm")
    drive = f"file={image.parent}/kvm-boot-sector.raw,format=raw,if=virtio"
    said = run_to_the_end("-accel", accelerator, "-machine", machine, "-drive", drive)
    assert said.strip() == "MINOVA-BOOT-SECTOR-OK"


def test_the_probe_guest_speaks_and_switches_off(image):
    boot = ("-kernel", image.parent / "vmlinuz", "-initrd", image.parent / "probe-initrd")
    said = run_to_the_end("-accel", "tcg", *boot, "-append", "console=ttyS0 quiet panic=-1")
    assert "MINOVA-KVM-PROBE-OK" in said


@pytest.mark.parametrize(
    "device",
    [
        ("-device", "virtio-blk-pci,drive=config"),
        ("-device", "virtio-scsi-pci", "-device", "scsi-cd,drive=config"),
    ],
    ids=["virtio-blk", "virtio-scsi"],
)
def test_a_config_drive_is_found_on_any_bus(tmp_path, image, key, device):
    drive = config_drive(tmp_path, key, kind="vfat" if "virtio-blk-pci" in device[1] else "iso9660")
    drives = ("-drive", f"file={drive},format=raw,if=none,id=config,readonly=on", *device)
    guest = Guest(tmp_path, image, key, memory=128, network="", drives=drives)
    try:
        guest.wait_for("metadata source=/dev/[sv].* hostname=drive-guest keys=1")
        guest.wait_for("user-data says root")
    finally:
        guest.kill()


class MetadataService(http.server.BaseHTTPRequestHandler):
    """What the metadata service says, path by path; `answers` is set on a subclass."""

    answers = {}

    def do_GET(self):
        body = self.answers.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or "")))
        self.end_headers()
        self.wfile.write((body or "").encode())

    def log_message(self, *_):
        pass


def service_answers(style, key):
    document = meta_data(key, f"{style}-guest")
    if style == "openstack":
        return {
            "/openstack/latest/meta_data.json": json.dumps(document),
            "/openstack/latest/user_data": USER_DATA,
        }
    return {
        "/latest/meta-data/instance-id": "i-00000001",
        "/latest/meta-data/hostname": document["hostname"],
        "/latest/meta-data/public-keys/0/openssh-key": key.with_suffix(".pub").read_text(),
        "/latest/user-data": USER_DATA,
    }


@pytest.mark.parametrize("style", ["openstack", "ec2"])
def test_the_metadata_service_serves_a_small_guest(tmp_path, image, key, style):
    handler = type("Answers", (MetadataService,), {"answers": service_answers(style, key)})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # QEMU starts the command for every connection that the guest makes to the address.
        forward = f"cmd:nc 127.0.0.1 {server.server_port}"
        network = f",net=169.254.169.0/24,guestfwd=tcp:169.254.169.254:80-{forward}"
        guest = Guest(tmp_path, image, key, memory=80, network=network)
        try:
            guest.wait_for(
                f"metadata source=http://169.254.169.254 .*hostname={style}-guest keys=1"
            )
            guest.wait_for("user-data says root")
            guest.wait_for("MINOVA-GUEST: ready")
            assert guest.run("hostname") == f"{style}-guest"
            url = next(iter(handler.answers))
            assert guest.run(f"curl -s http://169.254.169.254{url}")
        finally:
            guest.kill()
            server.shutdown()
