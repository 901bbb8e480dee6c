"""stack.sh on machines that cannot do the job: it says why, how to mend it, and changes nothing."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[3]
PORTS = ("IDENTITY", "COMPUTE", "METADATA", "VOLUME", "IMAGE", "NETWORK", "CONSOLE")
LOAD = "".join(
    f'source "$TOP/devstack/{f}"; ' for f in ("settings", "lib/progress.sh", "lib/checks.sh")
)


@pytest.fixture
def machine(tmp_path: Path) -> dict[str, str]:
    """Settings that pass on any machine: its own folders, ports nobody uses, no lower limits."""
    release = tmp_path / "os-release"
    release.write_text('PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n')
    tun = tmp_path / "tun"
    tun.touch()
    settings = {f"{name}_PORT": str(port) for name, port in zip(PORTS, free_ports(), strict=True)}
    folders = {f"{name}_PATH": str(tmp_path / name) for name in ("CONFIG", "STATE", "LOG")}
    return {
        **settings,
        **folders,
        "MIN_MEMORY_MIB": "1",
        "MIN_DISK_MIB": "1",
        "PRIVATE_CIDR": "198.18.77.0/24",
        "OS_RELEASE": str(release),
        "TUN": str(tun),
        "REQUIRE_KVM": "0",
    }


def free_ports() -> list[int]:
    sockets = [socket.socket() for _ in PORTS]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def check(
    machine: dict[str, str], before: str = "", **changed: str
) -> subprocess.CompletedProcess[str]:
    """All checks, as root would run them; `before` may redefine commands."""
    script = (
        f"set -euo pipefail; {LOAD} id() {{ echo 0; }}; virsh() {{ :; }}; {before} check_machine"
    )
    return bash(script, {**machine, **changed})


def bash(script: str, settings: dict[str, str]) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "TOP": str(TOP), **settings}
    return subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60
    )


def refused(done: subprocess.CompletedProcess[str], problem: str, remedy: str) -> None:
    assert done.returncode == 1
    assert "nothing has been changed" in done.stderr
    assert problem in done.stderr
    assert remedy in done.stderr
    assert done.stderr.count("✗") == 1


def test_a_machine_that_can_do_the_job_passes(machine: dict[str, str]) -> None:
    done = check(machine)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_ordinary_user_is_told_to_use_sudo(machine: dict[str, str]) -> None:
    refused(check(machine, "id() { echo 1000; };"), "not root", "sudo ./devstack/stack.sh")


def test_too_little_memory(machine: dict[str, str], tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:        1048576 kB\n")
    done = check(machine, MIN_MEMORY_MIB="3500", MEMINFO=str(meminfo))
    refused(done, "1024 MiB of memory, 3500 are needed", "MIN_MEMORY_MIB")


def test_too_little_disk(machine: dict[str, str]) -> None:
    done = check(machine, MIN_DISK_MIB="999999999")
    refused(done, "999999999 are needed", "STATE_PATH")


@pytest.fixture
def held_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_named_with_the_setting_that_moves_it(
    machine: dict[str, str], held_port: int
) -> None:
    done = check(machine, IMAGE_PORT=str(held_port))
    refused(done, f"port {held_port} is in use", "IMAGE_PORT=")


def test_ports_in_use_are_our_own_once_stacked(machine: dict[str, str], held_port: int) -> None:
    Path(machine["CONFIG_PATH"]).mkdir()
    Path(machine["CONFIG_PATH"], "stacked").write_text("embedded\n")
    assert check(machine, IMAGE_PORT=str(held_port)).returncode == 0


def test_a_network_that_the_host_uses_already(machine: dict[str, str]) -> None:
    if shutil.which("ip") is None:
        pytest.skip("no ip command here")
    routes = json.loads(subprocess.check_output(["ip", "-j", "-4", "route"]))
    mine = [route["dst"] for route in routes if "/" in route["dst"]]
    if not mine:
        pytest.skip("this machine has no network of its own")
    done = check(machine, PRIVATE_CIDR=mine[0])
    refused(done, f"the host uses {mine[0]} already", "choose another")


@pytest.mark.parametrize(
    "cidr", ["10.0.0.5/24", "10.0.0.0", "10.0.0.0/33", "300.0.0.0/24", "fd00::/64", "$(reboot)"]
)
def test_a_network_that_is_none(machine: dict[str, str], cidr: str) -> None:
    refused(check(machine, PRIVATE_CIDR=cidr), "is no IPv4 network", "10.233.0.0/24")


def test_no_tun_device(machine: dict[str, str]) -> None:
    done = check(machine, "modprobe() { return 1; };", TUN="/nonexistent")
    refused(done, "there is no /dev/net/tun", "modprobe tun")


def test_kvm_is_required_and_missing(machine: dict[str, str]) -> None:
    done = check(machine, REQUIRE_KVM="1", KVM="/nonexistent")
    refused(done, "no /dev/kvm, and --require-kvm was given", "modprobe kvm_intel")


def test_kvm_is_not_required(machine: dict[str, str]) -> None:
    assert check(machine, KVM="/nonexistent").returncode == 0


def test_a_broker_of_somebody_else_holds_its_port(machine: dict[str, str]) -> None:
    before = (
        "command() { [[ $2 != mariadbd && $2 != rabbitmqctl ]] && builtin command $@; };"
        " check_port() { [[ $1 != 5672 ]] || problem 'port 5672 is in use' \"$2\"; };"
    )
    done = check(machine, before, PROFILE="full")
    refused(done, "port 5672 is in use", "RabbitMQ needs it")


def test_other_peoples_guests_are_respected(machine: dict[str, str]) -> None:
    done = check(machine, "virsh() { printf 'web\\ninstance-00000001\\ndb\\n'; };")
    assert done.returncode == 0
    assert "libvirt on this host also runs: web db" in done.stderr


def test_another_system_is_warned_of(machine: dict[str, str], tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text('PRETTY_NAME="Ubuntu 24.04 LTS"\n')
    done = check(machine, OS_RELEASE=str(other))
    assert done.returncode == 0
    assert "this is Ubuntu 24.04 LTS" in done.stderr


def test_all_problems_are_told_at_once(machine: dict[str, str]) -> None:
    done = check(machine, "id() { echo 7; };", MIN_DISK_MIB="999999999", PRIVATE_CIDR="x")
    assert done.stderr.count("✗") == 3


def test_stack_changes_nothing_when_a_check_fails(machine: dict[str, str]) -> None:
    settings = {**machine, "MIN_MEMORY_MIB": "999999999"}
    done = bash('exec "$TOP/devstack/stack.sh"', settings)
    assert done.returncode == 1
    assert "999999999 are needed" in done.stderr
    for name in ("CONFIG_PATH", "STATE_PATH", "LOG_PATH"):
        assert not Path(machine[name]).exists()


def test_the_other_profile_asks_for_a_purge_first(machine: dict[str, str]) -> None:
    if os.geteuid() != 0:
        pytest.skip("stack.sh refuses others than root before that")
    Path(machine["CONFIG_PATH"]).mkdir()
    Path(machine["CONFIG_PATH"], "stacked").write_text("full\n")
    done = bash('exec "$TOP/devstack/stack.sh" --profile embedded', machine)
    assert done.returncode == 1
    assert "runs the full profile; run ./devstack/unstack.sh --purge first" in done.stderr


@pytest.mark.parametrize(
    "command", ["stack.sh --profile", "stack.sh --profile huge", "stack.sh --bad", "unstack.sh -x"]
)
def test_wrong_arguments_show_the_usage(machine: dict[str, str], command: str) -> None:
    done = bash(f'exec "$TOP"/devstack/{command}', machine)
    assert done.returncode == 2
    assert "Usage:" in done.stderr


def test_settings_of_the_first_run_hold(machine: dict[str, str]) -> None:
    Path(machine["CONFIG_PATH"]).mkdir()
    Path(machine["CONFIG_PATH"], "settings").write_text(': "${PRIVATE_MTU:=1400}"\n')
    shown = f'{LOAD} echo "$PRIVATE_MTU $PROFILE"'
    assert bash(shown, machine).stdout == "1400 embedded\n"
    assert bash(shown, {**machine, "PRIVATE_MTU": "9000"}).stdout == "9000 embedded\n"


def test_scripts_pass_shellcheck() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    scripts = [*TOP.glob("devstack/*.sh"), *TOP.glob("devstack/lib/*.sh")]
    scripts += [TOP / "devstack" / "openrc", TOP / "devstack" / "settings"]
    done = subprocess.run(["shellcheck", *map(str, scripts)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
