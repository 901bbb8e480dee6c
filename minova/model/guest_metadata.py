"""What a guest can learn about itself, as the documents cloud-init reads.

Two trees, both pure functions of the instance and its interfaces:
`documents` are the OpenStack files (`openstack/<version>/meta_data.json` and
its neighbours), `ec2_tree` what EC2 offers under `/latest/meta-data/`.
`config_drive` is both as the files of a disk; the metadata API serves the
same documents over HTTP.

Source: the metadata chapter of nova's user guide; cloud-init's datasources
ConfigDrive, OpenStack and Ec2.
"""

import base64
import binascii
import ipaddress
import json
from collections.abc import Sequence
from typing import Any

from minova.model.instance import VIF, BlockDevice, FixedIP, Instance

DEFAULT_DOMAIN = "novalocal"
DEFAULT_ZONE = "nova"

# What each version brought to meta_data.json and beside it; each has all of the earlier ones.
FOLSOM, GRIZZLY, HAVANA, LIBERTY = "2012-08-10", "2013-04-04", "2013-10-17", "2015-10-15"
NEWTON, NEWTON_2, OCATA, ROCKY, VICTORIA = (
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
)
OPENSTACK_VERSIONS = (
    FOLSOM,
    GRIZZLY,
    HAVANA,
    LIBERTY,
    NEWTON,
    NEWTON_2,
    OCATA,
    ROCKY,
    VICTORIA,
    "latest",
)
EC2_VERSIONS = (
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "latest",
)
_EC2_ON_DRIVE = ("2009-04-04", "latest")

Files = dict[str, bytes]
Tree = dict[str, Any]


def config_drive(
    instance: Instance,
    vifs: Sequence[VIF],
    *,
    domain: str = DEFAULT_DOMAIN,
    random_seed: bytes | None = None,
) -> Files:
    """Every file of the config drive: path inside it -> content."""
    files: Files = {}
    for version in OPENSTACK_VERSIONS:
        named = documents(instance, vifs, version, domain=domain, random_seed=random_seed)
        files.update({f"openstack/{version}/{name}": data for name, data in named.items()})
    ec2 = _json(ec2_tree(instance, vifs, domain=domain))
    user_data = decoded_user_data(instance)
    files.update({f"openstack/{name}": data for name, data in injected(instance).items()})
    for version in _EC2_ON_DRIVE:
        files[f"ec2/{version}/meta-data.json"] = ec2
        if user_data is not None:
            files[f"ec2/{version}/user-data"] = user_data
    return files


def with_password(files: Files, password: str) -> Files:
    """The config drive that also tells an administrator's password."""
    told: Files = {}
    for path, content in files.items():
        if path.startswith("openstack/") and path.endswith("/meta_data.json"):
            content = _json({**json.loads(content), "admin_pass": password})
        told[path] = content
    return told


def documents(
    instance: Instance,
    vifs: Sequence[VIF],
    version: str = "latest",
    *,
    domain: str = DEFAULT_DOMAIN,
    random_seed: bytes | None = None,
) -> Files:
    """The files of one `openstack/<version>/`; KeyError when there is no such version."""
    age = _age(version)
    files: Files = {
        "meta_data.json": _json(meta_data(instance, vifs, version, domain, random_seed))
    }
    user_data = decoded_user_data(instance)
    if user_data is not None:
        files["user_data"] = user_data
    if age >= _age(HAVANA):
        files["vendor_data.json"] = _json({})
    if age >= _age(LIBERTY):
        files["network_data.json"] = _json(network_data(vifs))
    if age >= _age(NEWTON_2):
        files["vendor_data2.json"] = _json({})
    return files


def meta_data(
    instance: Instance,
    vifs: Sequence[VIF],
    version: str = "latest",
    domain: str = DEFAULT_DOMAIN,
    random_seed: bytes | None = None,
) -> Tree:
    """The content of `meta_data.json`. `random_seed` is entropy for the guest."""
    age = _age(version)
    document: Tree = {
        "uuid": instance.uuid,
        "name": instance.name,
        "hostname": hostname(instance, domain),
        "launch_index": instance.launch_index,
        "availability_zone": zone(instance),
        "meta": dict(instance.metadata),
        "files": [
            {"content_path": f"/{_content(number)}", "path": file["path"]}
            for number, file in enumerate(instance.injected_files or [])
        ],
    }
    if instance.key_name and instance.key_data:
        document["public_keys"] = {instance.key_name: instance.key_data}
        document["keys"] = [
            {"name": instance.key_name, "type": _key_type(instance), "data": instance.key_data}
        ]
    if random_seed is not None and age >= _age(GRIZZLY):
        document["random_seed"] = base64.b64encode(random_seed).decode()
    if age >= _age(LIBERTY):
        document["project_id"] = instance.project_id
    if age >= _age(NEWTON):
        document["devices"] = _tagged_devices(instance.block_devices, vifs)
    if age >= _age(VICTORIA):
        document["dedicated_cpus"] = []
    return document


def network_data(vifs: Sequence[VIF]) -> Tree:
    """The content of `network_data.json`: links, their networks, and DNS services."""
    links: list[Tree] = []
    networks: list[Tree] = []
    servers: list[str] = []
    for vif in vifs:
        links.append(
            {
                "id": vif.tap,
                "vif_id": vif.port_id,
                "type": "bridge",
                "mtu": vif.mtu,
                "ethernet_mac_address": vif.mac_address,
            }
        )
        for fixed in vif.fixed_ips:
            networks.append(_network(f"network{len(networks)}", vif, fixed))
            servers += [server for server in fixed.dns if server not in servers]
    services = [{"type": "dns", "address": address} for address in servers]
    return {"links": links, "networks": networks, "services": services}


def ec2_tree(
    instance: Instance,
    vifs: Sequence[VIF],
    *,
    domain: str = DEFAULT_DOMAIN,
) -> Tree:
    """What EC2 shows under `meta-data/`: nested dicts are folders, strings their leaves."""
    name = hostname(instance, domain)
    root = instance.root_device_name or "/dev/vda"
    tree: Tree = {
        "ami-id": f"ami-{_short(instance.image_id)}",
        "ami-launch-index": str(instance.launch_index),
        "ami-manifest-path": "",
        "block-device-mapping": {"ami": root.removeprefix("/dev/"), "root": root},
        "hostname": name,
        "instance-action": "none",
        "instance-id": f"i-{instance.id:08x}",
        "instance-type": instance.flavor.name,
        "local-hostname": name,
        "local-ipv4": _first_address(vifs),
        "placement": {"availability-zone": zone(instance)},
        "public-hostname": name,
        "public-ipv4": _first_floating(vifs),
        "reservation-id": instance.reservation_id,
        "security-groups": "\n".join(instance.security_group_names or ["default"]),
    }
    if instance.key_name and instance.key_data:
        tree["public-keys"] = {
            "0": {"_name": f"0={instance.key_name}", "openssh-key": instance.key_data}
        }
    return tree


def hostname(instance: Instance, domain: str = DEFAULT_DOMAIN) -> str:
    """The guest's full name; a name that has dots already is left as it is."""
    name = instance.hostname or instance.name
    return f"{name}.{domain}" if domain and "." not in name else name


def zone(instance: Instance) -> str:
    """The availability zone, also while the launch has not written it yet."""
    return instance.availability_zone or instance.requested_zone or DEFAULT_ZONE


def decoded_user_data(instance: Instance) -> bytes | None:
    """The user's own data as he meant it, or None when there is none."""
    if not instance.user_data:
        return None
    try:
        return base64.b64decode(instance.user_data, validate=False)
    except (binascii.Error, ValueError):
        return instance.user_data.encode()


def injected(instance: Instance) -> Files:
    """The files the user has injected, by where they are beside the versions: content/0000."""
    return {
        _content(number): base64.b64decode(file["contents"])
        for number, file in enumerate(instance.injected_files or [])
    }


def _content(number: int) -> str:
    return f"content/{number:04}"


def _age(version: str) -> int:
    try:
        return OPENSTACK_VERSIONS.index(version)
    except ValueError:
        raise KeyError(version) from None


def _network(name: str, vif: VIF, fixed: FixedIP) -> Tree:
    """One entry of `networks`; how to get the address where DHCP runs, else the address."""
    entry: Tree = {
        "id": name,
        "link": vif.tap,
        "network_id": vif.network_id,
        "type": f"ipv{fixed.ip_version}" + ("_dhcp" if fixed.dhcp else ""),
    }
    if fixed.dhcp:
        return entry
    subnet = ipaddress.ip_network(fixed.subnet_cidr, strict=False)
    everywhere = ipaddress.ip_network("0.0.0.0/0" if fixed.ip_version == 4 else "::/0")
    entry["ip_address"] = fixed.address
    entry["netmask"] = str(subnet.netmask)
    entry["routes"] = []
    if fixed.gateway:
        entry["routes"].append(
            {
                "network": str(everywhere.network_address),
                "netmask": str(everywhere.netmask),
                "gateway": fixed.gateway,
            }
        )
    entry["services"] = [{"type": "dns", "address": address} for address in fixed.dns]
    return entry


def _tagged_devices(block_devices: Sequence[BlockDevice], vifs: Sequence[VIF]) -> list[Tree]:
    """The devices a user has given tags, so that the guest can tell which is which."""
    nowhere = {"bus": "none", "address": "none"}
    nics = [
        {"type": "nic", **nowhere, "mac": vif.mac_address, "tags": [vif.tag]}
        for vif in vifs
        if vif.tag
    ]
    disks = [
        {"type": "disk", **nowhere, "serial": disk.volume_id, "tags": [disk.tag]}
        for disk in block_devices
        if disk.tag and disk.volume_id
    ]
    return [*nics, *disks]


def _key_type(instance: Instance) -> str:
    return "x509" if "BEGIN CERTIFICATE" in (instance.key_data or "") else "ssh"


def _first_floating(vifs: Sequence[VIF]) -> str:
    addresses = [ip for vif in vifs for fixed in vif.fixed_ips for ip in fixed.floating_ips]
    return next(iter(addresses), "")


def _first_address(vifs: Sequence[VIF]) -> str:
    addresses = [fixed for vif in vifs for fixed in vif.fixed_ips if fixed.ip_version == 4]
    return addresses[0].address if addresses else ""


def _short(image_id: str | None) -> str:
    return (image_id or "").replace("-", "")[:8].ljust(8, "0")


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
