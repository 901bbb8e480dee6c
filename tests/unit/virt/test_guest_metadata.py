import base64
import json
from dataclasses import replace

import pytest

from minova.model import guest_metadata as gm
from minova.model.instance import FixedIP
from tests.unit.virt import nouns

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@there"


def server(**changed: object):
    return nouns.instance_of(
        **{
            "name": "web",
            "hostname": "web",
            "id": 42,
            "key_name": "my key",
            "key_data": KEY,
            "metadata": {"role": "frontend"},
            "requested_zone": "nova",
            "reservation_id": "r-1",
            **changed,
        }
    )


def test_cloud_init_finds_what_it_needs() -> None:
    instance = server()
    document = json.loads(gm.documents(instance, [nouns.vif_of()])["meta_data.json"])
    assert document["uuid"] == instance.uuid
    assert document["name"] == "web"
    assert document["hostname"] == "web.novalocal"
    assert document["meta"] == {"role": "frontend"}
    assert document["public_keys"] == {"my key": KEY}
    assert document["keys"] == [{"name": "my key", "type": "ssh", "data": KEY}]
    assert document["availability_zone"] == "nova"
    assert document["project_id"] == instance.project_id


def test_each_version_has_what_it_brought_and_nothing_later() -> None:
    instance, vifs = server(), [nouns.vif_of()]
    names = {v: set(gm.documents(instance, vifs, v)) for v in gm.OPENSTACK_VERSIONS}
    assert names["2012-08-10"] == {"meta_data.json"}
    assert names["2013-10-17"] == {"meta_data.json", "vendor_data.json"}
    assert "network_data.json" in names["2015-10-15"]
    assert "vendor_data2.json" in names["2016-10-06"]
    assert names["latest"] == names["2018-08-27"]
    first = json.loads(
        gm.documents(instance, vifs, "2012-08-10", random_seed=b"x")["meta_data.json"]
    )
    assert not {"random_seed", "project_id", "devices"} & set(first)
    with pytest.raises(KeyError):
        gm.documents(instance, vifs, "1999-01-01")


def test_the_seed_reaches_the_guest() -> None:
    document = gm.meta_data(server(), [], random_seed=b"entropy")
    assert base64.b64decode(document["random_seed"]) == b"entropy"


def test_network_with_dhcp_gives_no_address() -> None:
    vif = nouns.vif_of()
    data = gm.network_data([vif])
    assert data["links"] == [
        {
            "id": vif.tap,
            "vif_id": vif.port_id,
            "type": "bridge",
            "mtu": 1450,
            "ethernet_mac_address": vif.mac_address,
        }
    ]
    assert data["networks"] == [
        {"id": "network0", "link": vif.tap, "network_id": vif.network_id, "type": "ipv4_dhcp"}
    ]
    assert [s["address"] for s in data["services"]] == ["10.0.0.2", "10.0.0.3"]


@pytest.mark.parametrize(
    ("fixed", "netmask", "everywhere"),
    [
        (FixedIP("10.0.0.9", "10.0.0.0/20", 4, "10.0.0.1", dhcp=False), "255.255.240.0", "0.0.0.0"),
        (FixedIP("fd00::9", "fd00::/64", 6, "fd00::1", dhcp=False), "ffff:ffff:ffff:ffff::", "::"),
    ],
)
def test_network_without_dhcp_gives_address_and_route(
    fixed: FixedIP, netmask: str, everywhere: str
) -> None:
    (network,) = gm.network_data([nouns.vif_of(fixed_ips=[fixed])])["networks"]
    assert network["type"] == f"ipv{fixed.ip_version}"
    assert (network["ip_address"], network["netmask"]) == (fixed.address, netmask)
    assert network["routes"] == [
        {"network": everywhere, "netmask": everywhere, "gateway": fixed.gateway}
    ]


def test_tagged_devices_are_told_apart() -> None:
    vif, volume = nouns.vif_of(tag="front"), nouns.volume_of(tag="data")
    instance = server(block_devices=[volume, nouns.volume_of()])
    devices = gm.meta_data(instance, [vif, nouns.vif_of(number=2)])["devices"]
    assert [(d["type"], d["tags"]) for d in devices] == [("nic", ["front"]), ("disk", ["data"])]
    assert devices[0]["mac"] == vif.mac_address
    assert devices[1]["serial"] == volume.volume_id


def test_ec2_paths_answer_what_scripts_read() -> None:
    fixed = FixedIP("10.0.0.11", "10.0.0.0/24", floating_ips=["198.51.100.7"])
    vif = nouns.vif_of(fixed_ips=[fixed])
    tree = gm.ec2_tree(server(security_group_names=["web", "ssh"]), [vif])
    assert tree["instance-id"] == "i-0000002a"
    assert tree["local-ipv4"] == "10.0.0.11"
    assert tree["public-ipv4"] == "198.51.100.7"
    assert tree["instance-type"] == "m1.nano"
    assert tree["security-groups"] == "web\nssh"
    assert tree["placement"]["availability-zone"] == "nova"
    assert tree["public-keys"]["0"]["openssh-key"] == KEY
    assert tree["block-device-mapping"] == {"ami": "vda", "root": "/dev/vda"}


def test_a_server_without_key_network_or_data_is_fine() -> None:
    bare = server(key_name=None, key_data=None)
    files = gm.config_drive(bare, [])
    document = json.loads(files["openstack/latest/meta_data.json"])
    assert "public_keys" not in document and "keys" not in document
    assert not any(name.endswith("user_data") for name in files)
    assert "public-keys" not in gm.ec2_tree(bare, [])
    assert gm.ec2_tree(bare, [])["local-ipv4"] == ""


def test_user_data_is_what_the_user_meant() -> None:
    script = b"#!/bin/sh\necho \xff\n"
    files = gm.config_drive(server(user_data=base64.b64encode(script).decode()), [])
    assert files["openstack/latest/user_data"] == script
    assert files["ec2/latest/user-data"] == script


def test_the_config_drive_has_every_version() -> None:
    files = gm.config_drive(server(), [nouns.vif_of()])
    for version in gm.OPENSTACK_VERSIONS:
        assert f"openstack/{version}/meta_data.json" in files
    assert json.loads(files["ec2/latest/meta-data.json"])["hostname"] == "web.novalocal"


@pytest.mark.parametrize(
    ("name", "domain", "full"),
    [("web", "novalocal", "web.novalocal"), ("web", "", "web"), ("a.b", "novalocal", "a.b")],
)
def test_the_host_name_gets_the_domain_once(name: str, domain: str, full: str) -> None:
    assert gm.hostname(replace(server(), hostname=name), domain) == full


def test_injected_files_are_on_the_drive_and_named_in_the_metadata() -> None:
    files = [{"path": "/etc/../../x", "contents": "aGVsbG8="}]
    instance = nouns.instance_of(injected_files=files)
    drive = gm.config_drive(instance, [])
    assert drive["openstack/content/0000"] == b"hello"
    document = json.loads(drive["openstack/latest/meta_data.json"])
    assert document["files"] == [{"content_path": "/content/0000", "path": "/etc/../../x"}]
