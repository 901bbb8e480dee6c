"""Writes DIR/tempest.conf for the cloud `minova-admin` of OS_CLIENT_CONFIG_FILE.

Makes what is missing there for Tempest: two flavors, two images, a shared network.
Every feature that is there is switched on; `FEATURES` says which are not, and why.
"""

import argparse
import configparser
import os
import sys
from pathlib import Path

import openstack
import requests
from openstack.connection import Connection

ADMIN = "minova-admin"
NETWORK, CIDR = "private", "10.233.0.0/24"
# Where floating IPs come from; the host holds the first address.
PUBLIC, PUBLIC_CIDR = "public", "172.24.4.0/24"
# name -> MiB, GiB, vCPUs. The guest needs 80 MiB; resizing has to change something.
FLAVORS = {"tempest.nano": (128, 1, 1), "tempest.micro": (192, 2, 1)}
IMAGES = ("minova-guest", "cirros-minova-disk")
# Their agent sets the password of the one as whom Tempest logs in.
AGENT = {"hw_qemu_guest_agent": "yes", "os_admin_user": "cirros"}
# Seconds for what is slow: guests under TCG need their time, fake ones need none.
PATIENCE, LITTLE_PATIENCE = 300, 60
Sections = dict[str, dict[str, object]]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--driver", choices=["libvirt", "fake"], required=True)
    parser.add_argument("--max-microversion")
    parser.add_argument("--guest", type=Path, help="the image guests boot")
    arguments = parser.parse_args()
    with openstack.connect(cloud=ADMIN) as cloud:
        sections = Configuration(cloud, arguments).sections()
    write(arguments.out / "tempest.conf", sections)
    # For lists/isolated.txt.
    sections["auth"]["create_isolated_networks"] = True
    write(arguments.out / "isolated.conf", sections)


def write(path: Path, sections: Sections) -> None:
    """It holds the admin's password, so it is for the owner alone."""
    conf = configparser.ConfigParser(interpolation=None)
    conf.read_dict({s: {k: str(v) for k, v in values.items()} for s, values in sections.items()})
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        conf.write(file)


class Configuration:
    """tempest.conf of one cloud, section by section."""

    def __init__(self, cloud: Connection, arguments: argparse.Namespace) -> None:
        self.cloud, self.out = cloud, arguments.out.resolve()
        self.boots = arguments.driver != "fake"
        self.patience = PATIENCE if self.boots else LITTLE_PATIENCE
        self.guest: Path | None = arguments.guest
        self.max_version: str | None = arguments.max_microversion
        if self.max_version == "latest":
            self.max_version = self.newest_version()

    def newest_version(self) -> str:
        url = self.cloud.compute.get_endpoint()
        return str(requests.get(url, timeout=30).json()["version"]["version"])

    def sections(self) -> Sections:
        return {
            "DEFAULT": {"log_file": self.out / "tempest.log", "debug": True},
            "oslo_concurrency": {"lock_path": self.out / "lock"},
            **self.login(),
            **self.compute(),
            **self.image(),
            **self.network(),
            **self.validation(),
            **self.volume(),
            "service_available": {
                "nova": True,
                "glance": True,
                "neutron": True,
                "cinder": True,
                "swift": False,
                "horizon": False,
            },
            "scenario": {
                "img_file": self.guest or self.raw_image(),
                "img_disk_format": "qcow2" if self.guest else "raw",
                "dhcp_client": "udhcpc",
                # The guest's /tmp is in memory.
                "target_dir": "/home/cirros",
            },
        }

    def login(self) -> Sections:
        auth = self.cloud.config.auth
        return {
            "auth": {
                "use_dynamic_credentials": True,
                "admin_username": auth["username"],
                "admin_password": auth["password"],
                "admin_project_name": auth["project_name"],
                "admin_domain_name": auth["user_domain_name"],
                # One network for all, which the host and the other tests' guests reach.
                "create_isolated_networks": False,
            },
            "identity": {
                "uri_v3": auth["auth_url"],
                "auth_version": "v3",
                "region": "RegionOne",
                "v3_endpoint_type": "public",
            },
            # None of them is part of minova's identity service.
            "identity-feature-enabled": {
                "trust": False,
                "access_rules": False,
                "security_compliance": False,
            },
        }

    def compute(self) -> Sections:
        flavors, images = self.flavors(), self.images()
        compute: dict[str, object] = {
            "image_ref": images[0],
            "image_ref_alt": images[1],
            "flavor_ref": flavors[0],
            "flavor_ref_alt": flavors[1],
            "fixed_network_name": self.shared_network(),
            "min_compute_nodes": 1,
            "build_timeout": self.patience,
            "build_interval": 1,
            "volume_device_name": "vdb",
            "shelved_offload_time": 0,
            "hypervisor_type": "QEMU" if self.boots else "fake",
        }
        if self.max_version:
            compute["max_microversion"] = self.max_version
        return {
            "compute": compute,
            "compute-feature-enabled": {
                "console_output": True,
                "resize": True,
                "pause": True,
                "suspend": True,
                "snapshot": True,
                "shelve": True,
                "vnc_console": True,
                "serial_console": True,
                "rescue": True,
                "stable_rescue": True,
                "enable_instance_password": True,
                "interface_attach": True,
                "personality": True,
                "config_drive": True,
                "metadata_service": True,
                "swap_volume": True,
                "hostname_fqdn_sanitization": True,
                "scheduler_enabled_filters": "all",
                "change_password": True,
                # It needs another host only where it is allowed to begin.
                "cold_migration": True,
                "live_migration": False,
                "shelve_migrate": False,
                # QEMU has it, minova has not.
                "spice_console": False,
                # The volume service has neither.
                "attach_encrypted_volume": False,
                "volume_multiattach": False,
                # Limits are nova's own, not identity's.
                "unified_limits": False,
            },
        }

    def image(self) -> Sections:
        return {
            # Tempest's lists of images have random bytes, which are raw ones and nothing else.
            "image": {"disk_formats": "raw", "container_formats": "bare"},
            "image-feature-enabled": {
                # Tempest's import tests include web-download, which is not here.
                "import_image": False,
                "os_glance_reserved": True,
                "manage_locations": False,
                "do_secure_hash": True,
                "image_format_enforcement": False,
            },
        }

    def network(self) -> Sections:
        extensions = sorted(e.alias for e in self.cloud.network.extensions())
        return {
            "network": {
                "project_networks_reachable": True,
                "public_network_id": self.public_network(),
                "floating_network_name": PUBLIC,
            },
            "network-feature-enabled": {
                "api_extensions": ",".join(extensions),
                "floating_ips": True,
                # Filtered between guests, but not provided.
                "ipv6": False,
                "ipv6_subnet_attributes": False,
                "port_security": True,
                "port_admin_state_change": True,
            },
        }

    def validation(self) -> Sections:
        return {
            "validation": {
                "run_validation": self.boots,
                "connect_method": "floating",
                "network_for_ssh": NETWORK,
                "auth_method": "keypair",
                "image_ssh_user": "cirros",
                "image_alt_ssh_user": "cirros",
                "ssh_timeout": self.patience,
                "ping_timeout": self.patience,
                "ssh_key_type": "ecdsa",
                # The guest's shell is busybox.
                "ssh_shell_prologue": "set -e; PATH=$$PATH:/sbin:/usr/sbin;",
            }
        }

    def volume(self) -> Sections:
        volume: dict[str, object] = {
            "catalog_type": "block-storage",
            "storage_protocol": "NBD",
            "vendor_name": "minova",
            "volume_size": 1,
            "build_timeout": self.patience,
        }
        if self.max_version:
            # Its versions are its own; those of compute are said by --max-microversion.
            volume["max_microversion"] = "latest"
        return {
            "volume": volume,
            # The others are no part of minova's volume service.
            "volume-feature-enabled": {
                "snapshot": True,
                "backup": False,
                "multi_backend": False,
                "manage_volume": False,
                "manage_snapshot": False,
                "extend_attached_volume": False,
                "enable_volume_image_dep_tests": False,
            },
        }

    def flavors(self) -> list[str]:
        known = {flavor.name: flavor.id for flavor in self.cloud.compute.flavors(is_public=None)}
        for name, (memory, disk, vcpus) in FLAVORS.items():
            if name not in known:
                made = self.cloud.compute.create_flavor(
                    name=name, ram=memory, disk=disk, vcpus=vcpus
                )
                known[name] = made.id
        return [known[name] for name in FLAVORS]

    def images(self) -> list[str]:
        known = {image.name: image.id for image in self.cloud.image.images(status="active")}
        for name in IMAGES:
            if name not in known:
                file = self.guest or self.raw_image()
                made = self.cloud.image.create_image(
                    name,
                    filename=str(file),
                    disk_format="qcow2" if self.guest else "raw",
                    container_format="bare",
                    visibility="public",
                    wait=True,
                    **AGENT,
                )
                known[name] = made.id
        return [known[name] for name in IMAGES]

    def raw_image(self) -> Path:
        """For a driver that does not mind what is inside."""
        path = self.out / "nothing.raw"
        path.write_bytes(bytes(1 << 20))
        return path

    def public_network(self) -> str:
        """An external network and a router that leads from it to the shared one; the first's id."""
        network = self.cloud.network
        public = network.find_network(PUBLIC)
        if public is None:
            public = network.create_network(name=PUBLIC, is_router_external=True)
            network.create_subnet(
                name=f"{PUBLIC}-subnet",
                network_id=public.id,
                ip_version=4,
                cidr=PUBLIC_CIDR,
                is_dhcp_enabled=False,
            )
        shared = network.find_network(self.shared_network())
        if not any(network.ports(device_owner="network:router_interface", network_id=shared.id)):
            router = network.create_router(
                name="router", external_gateway_info={"network_id": public.id}
            )
            for subnet_id in shared.subnet_ids:
                network.add_interface_to_router(router, subnet_id=subnet_id)
        return str(public.id)

    def shared_network(self) -> str:
        if self.cloud.network.find_network(NETWORK) is None:
            made = self.cloud.network.create_network(name=NETWORK, is_shared=True)
            self.cloud.network.create_subnet(
                name=f"{NETWORK}-subnet", network_id=made.id, ip_version=4, cidr=CIDR
            )
        return NETWORK


if __name__ == "__main__":
    sys.exit(main())
