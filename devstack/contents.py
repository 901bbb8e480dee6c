"""What a new lab holds: flavors, the test guest's image, a network, a server.

`base`, `demo` and `login` are what stack.sh asks for; each makes only what
is missing. It talks to the cloud as any client does.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import openstack
from openstack.connection import Connection
from openstack.exceptions import ConflictException, ResourceFailure, ResourceTimeout

CONFIG = Path(os.environ.get("CONFIG_PATH", "/etc/minova"))
STATE = Path(os.environ.get("STATE_PATH", "/var/lib/minova"))
GUEST = STATE / "guest" / "minova-guest.qcow2"
KEY = CONFIG / "demo_key"
IMAGE_NAMES = ("minova-guest", "cirros-minova-disk")
# Debian's kernel does not unpack itself in less (tools/guest/README.md).
IMAGE_MIN_RAM_MIB = 80
# The guest has the agent, and its people log in as cirros (tools/guest/README.md).
IMAGE_PROPERTIES = {"hw_qemu_guest_agent": "yes", "os_admin_user": "cirros"}
# name: (MiB of memory, GiB of disk, vCPUs)
FLAVORS = {"m1.nano": (128, 1, 1), "m1.tiny": (512, 1, 1), "m1.small": (1024, 10, 1)}
LAUNCH_SECONDS = 120
LOGIN_SECONDS = 180


def main(what: str) -> None:
    PARTS[what]()


def connect(cloud: str) -> Connection:
    os.environ["OS_CLIENT_CONFIG_FILE"] = str(CONFIG / "clouds.yaml")
    return openstack.connect(cloud=cloud)


def base() -> None:
    """Flavors, images and the network `private`, for every project."""
    admin = connect("minova-admin")
    flavors = {flavor.name for flavor in admin.compute.flavors(is_public=None)}
    for name, (memory, disk, vcpus) in FLAVORS.items():
        if name not in flavors:
            admin.compute.create_flavor(name=name, ram=memory, disk=disk, vcpus=vcpus)
    with GUEST.open("rb") as file:
        digest = hashlib.file_digest(file, "sha512").hexdigest()
    for name in IMAGE_NAMES:
        images = list(admin.image.images(name=name))
        if not any(i.status == "active" and i.hash_value == digest for i in images):
            for outdated in images:
                admin.image.delete_image(outdated.id)
            upload(admin, name)
    if admin.network.find_network("private") is None:
        network = admin.network.create_network(name="private", is_shared=True)
        admin.network.create_subnet(
            name="private-subnet",
            network_id=network.id,
            ip_version=4,
            cidr=os.environ["PRIVATE_CIDR"],
        )
    wait("a compute host is up", LAUNCH_SECONDS, lambda: compute_is_up(admin))
    wait("a network agent is up", LAUNCH_SECONDS, lambda: agent_is_up(admin))


def upload(admin: Connection, name: str) -> None:
    image = admin.image.create_image(
        name,
        filename=str(GUEST),
        disk_format="qcow2",
        container_format="bare",
        visibility="public",
        min_ram=IMAGE_MIN_RAM_MIB,
        **IMAGE_PROPERTIES,
        wait=True,
    )
    print(f"image {name}: {image.id}")


def compute_is_up(admin: Connection) -> bool:
    services = admin.compute.services(binary="nova-compute")
    return any(s.state == "up" and s.status == "enabled" for s in services)


def agent_is_up(admin: Connection) -> bool:
    return any(agent.is_alive for agent in admin.network.agents())


def demo() -> None:
    """A key pair, the right to log in, and the server `demo`; returns when SSH answers."""
    cloud = connect("minova")
    if not KEY.exists():
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f", str(KEY)]
        subprocess.run(command, check=True)
    if cloud.compute.find_keypair("demo") is None:
        public = KEY.with_suffix(".pub").read_text()
        cloud.compute.create_keypair(name="demo", public_key=public)
    allow_login(cloud)
    server = cloud.compute.find_server("demo")
    if server is not None and cloud.compute.get_server(server.id).status == "ERROR":
        print("the former demo failed; it goes, a new one comes")
        cloud.compute.delete_server(server)
        cloud.compute.wait_for_delete(server, interval=1, wait=LAUNCH_SECONDS)
        server = None
    if server is None:
        image = cloud.image.find_image(IMAGE_NAMES[0], ignore_missing=False)
        flavor = cloud.compute.find_flavor("m1.nano", ignore_missing=False)
        network = cloud.network.find_network("private", ignore_missing=False)
        server = cloud.compute.create_server(
            name="demo",
            image_id=image.id,
            flavor_id=flavor.id,
            networks=[{"uuid": network.id}],
            key_name="demo",
        )
        try:
            cloud.compute.wait_for_server(server, wait=LAUNCH_SECONDS, interval=1)
        except (ResourceFailure, ResourceTimeout):
            tell_why(cloud, server.id)
    wait("the server demo answers SSH", LOGIN_SECONDS, answers_ssh)


def tell_why(cloud: Connection, server_id: str) -> NoReturn:
    """Which of its steps failed, and the reason."""
    subprocess.run([str(Path(sys.executable).with_name("minova")), "xray", "demo"], check=False)
    server = cloud.compute.get_server(server_id)
    sys.exit(f"demo is {server.status}: {(server.fault or {}).get('message', 'no reason known')}")


def allow_login(cloud: Connection) -> None:
    """SSH and ping into the project's default group; demo's own rules otherwise stay."""
    group = cloud.network.find_security_group("default", ignore_missing=False)
    for protocol, port in (("tcp", 22), ("icmp", None)):
        try:
            cloud.network.create_security_group_rule(
                security_group_id=group.id,
                direction="ingress",
                ether_type="IPv4",
                protocol=protocol,
                port_range_min=port,
                port_range_max=port,
                remote_ip_prefix="0.0.0.0/0",
            )
        except ConflictException:
            print(f"the rule for {protocol} is there")


def login_command() -> list[str]:
    """How the lab's owner gets into `demo`."""
    server = connect("minova").compute.find_server("demo", ignore_missing=False)
    server = connect("minova").compute.get_server(server.id)
    address = next(a["addr"] for network in server.addresses.values() for a in network)
    # The guest's host key is new with each launch; nothing is to be learnt from it.
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    return ["ssh", "-i", str(KEY), *options, "-o", "LogLevel=ERROR", f"cirros@{address}"]


def login() -> None:
    print(" ".join(login_command()))


def answers_ssh() -> bool:
    command = [*login_command(), "true"]
    command[1:1] = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=5"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return done.returncode == 0


def wait(what: str, seconds: float, happened: Callable[[], bool]) -> None:
    """Until it happened; exits with what did not."""
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            sys.exit(f"waited {seconds:.0f} s in vain until {what}")
        time.sleep(0.5)


PARTS: dict[str, Callable[[], None]] = {"base": base, "demo": demo, "login": login}

if __name__ == "__main__":
    main(sys.argv[1])
