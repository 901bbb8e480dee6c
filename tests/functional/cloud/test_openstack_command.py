"""`openstack`, unmodified: every command of this cloud's resources, as stories."""

import re
from pathlib import Path

import pytest

from tests.clients import Clients
from tests.cloud import Cloud
from tests.nova import PUBLIC_KEY, Nova


def test_who_am_i_and_what_is_there(cloud: Cloud, demo: Clients) -> None:
    issued = demo.json("openstack token issue")
    assert set(issued) == {"expires", "id", "project_id", "user_id"}
    names = {service["Name"] for service in demo.json("openstack catalog list")}
    assert {"keystone", "nova", "glance", "neutron", "cinderv3"} <= names
    shown = demo("openstack catalog show nova")
    assert f":{cloud.ports['api']}/v2.1" in shown
    versions = demo.json("openstack versions show")
    compute = [v for v in versions if v["Service Type"] == "compute" and v["Version"] == "2.1"]
    assert compute[0]["Status"] == "CURRENT" and compute[0]["Max Microversion"]


def test_a_real_process_of_the_command_lists_servers(cloud: Cloud, nova: Nova) -> None:
    done = cloud.client("openstack", "server", "list", "-f", "json")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("[")


def test_projects_users_and_roles(cloud: Cloud, admin: Clients) -> None:
    admin("openstack project create cli-project --description", "made by a test")
    admin("openstack user create cli-user --project cli-project --password first-pass-word")
    admin("openstack role create cli-role")
    admin("openstack role add --project cli-project --user cli-user cli-role")
    admin("openstack role add --project cli-project --user cli-user member")
    assigned = admin.json("openstack role assignment list --project cli-project --names")
    assert {row["Role"] for row in assigned} == {"cli-role", "member"}
    assert "cli-project" in {row["Name"] for row in admin.json("openstack project list")}
    assert "cli-user" in {row["Name"] for row in admin.json("openstack user list")}
    assert "cli-role" in {row["Name"] for row in admin.json("openstack role list")}
    shown = admin.json("openstack project show cli-project")
    assert shown["description"] == "made by a test" and shown["enabled"] is True
    assert admin.json("openstack user show cli-user")["default_project_id"] == shown["id"]
    admin("openstack user set --password second-pass-word cli-user")
    admin("openstack project set --name cli-project-2 cli-project")
    admin("openstack role remove --project cli-project-2 --user cli-user cli-role")
    admin("openstack user delete cli-user")
    admin("openstack role delete cli-role")
    admin("openstack project delete cli-project-2")
    assert "No User found for cli-user" in admin.refused("openstack user show cli-user")
    for path in cloud.folder.glob("*.log"):
        assert "pass-word" not in path.read_text()


def test_services_and_endpoints(admin: Clients) -> None:
    admin("openstack service create --name cli-svc --description what cli-type")
    url = "http://127.0.0.1:1/v1/%(project_id)s"
    made = admin.json("openstack endpoint create --region RegionOne cli-type public", url)
    listed = admin.json("openstack endpoint list --service cli-type")
    assert [(row["ID"], row["URL"]) for row in listed] == [(made["id"], url)]
    assert "cli-svc" in {row["Name"] for row in admin.json("openstack service list")}
    assert [row["Region"] for row in admin.json("openstack region list")] == ["RegionOne"]
    admin("openstack endpoint delete", made["id"])
    admin("openstack service delete cli-svc")


def test_flavors(admin: Clients, demo: Clients) -> None:
    admin("openstack flavor create --ram 256 --disk 3 --vcpus 2 --ephemeral 1 --swap 64 m1.cli")
    admin("openstack flavor set --property hw:cpu_policy=shared m1.cli")
    shown = demo.json("openstack flavor show m1.cli")
    expected = {"ram": 256, "disk": 3, "vcpus": 2, "OS-FLV-EXT-DATA:ephemeral": 1, "swap": 64}
    assert {key: shown[key] for key in expected} == expected
    assert shown["properties"] == {"hw:cpu_policy": "shared"}
    assert "m1.cli" in {row["Name"] for row in demo.json("openstack flavor list")}
    admin("openstack flavor unset --property hw:cpu_policy m1.cli")
    assert demo.json("openstack flavor show m1.cli")["properties"] == {}
    assert "ForbiddenException: 403" in demo.refused("openstack flavor create --ram 64 m1.mine")
    admin("openstack flavor delete m1.cli")
    assert "No Flavor found for m1.cli" in demo.refused("openstack flavor show m1.cli")


def test_images(demo: Clients, tmp_path: Path) -> None:
    source, copy = tmp_path / "disk.raw", tmp_path / "copy.raw"
    source.write_bytes(b"\0" * 512 + b"guest" * 1000)
    options = "--disk-format raw --container-format bare --property os_distro=debian"
    demo(f"openstack image create cli-image {options} --file", str(source))
    demo("openstack image set --property hw_disk_bus=virtio --min-ram 64 --tag t1 cli-image")
    shown = demo.json("openstack image show cli-image")
    assert (shown["status"], shown["min_ram"], shown["tags"]) == ("active", 64, ["t1"])
    assert shown["properties"]["os_distro"] == "debian"
    assert shown["properties"]["hw_disk_bus"] == "virtio"
    demo("openstack image unset --property hw_disk_bus --tag t1 cli-image")
    assert {"cli-image", "centos7"} <= {r["Name"] for r in demo.json("openstack image list")}
    demo("openstack image save cli-image --file", str(copy))
    assert copy.read_bytes() == source.read_bytes()
    demo("openstack image delete cli-image")
    assert "No Image found for cli-image" in demo.refused("openstack image show cli-image")


def test_networks_subnets_and_ports(demo: Clients) -> None:
    demo("openstack network create cli-net")
    demo(
        "openstack subnet create --network cli-net --subnet-range 192.0.2.0/28 "
        "--gateway 192.0.2.1 --dns-nameserver 192.0.2.9 cli-subnet"
    )
    assert "cli-net" in {row["Name"] for row in demo.json("openstack network list")}
    assert demo.json("openstack network show cli-net")["router:external"] is False
    assert demo.json("openstack subnet show cli-subnet")["cidr"] == "192.0.2.0/28"
    assert "cli-subnet" in {row["Name"] for row in demo.json("openstack subnet list")}
    demo("openstack port create --network cli-net --fixed-ip ip-address=192.0.2.7 cli-port")
    demo("openstack port set --name cli-port-2 cli-port")
    shown = demo.json("openstack port show cli-port-2")
    assert shown["fixed_ips"][0]["ip_address"] == "192.0.2.7" and shown["status"] == "DOWN"
    assert "cli-port-2" in {r["Name"] for r in demo.json("openstack port list --network cli-net")}
    assert "There are one or more ports still in use" in demo.refused(
        "openstack network delete cli-net"
    )
    demo("openstack port delete cli-port-2")
    demo("openstack subnet delete cli-subnet")
    demo("openstack network delete cli-net")


def test_security_groups_and_rules(demo: Clients) -> None:
    assert "default" in {r["Name"] for r in demo.json("openstack security group list")}
    demo("openstack security group create cli-group --description", "of a test")
    rule = demo.json("openstack security group rule create --protocol tcp --dst-port 22 cli-group")
    assert (rule["port_range_min"], rule["port_range_max"]) == (22, 22)
    demo("openstack security group rule create --protocol icmp cli-group")
    listed = demo.json("openstack security group rule list cli-group")
    assert {row["IP Protocol"] for row in listed} >= {"tcp", "icmp"}
    demo("openstack security group rule delete", rule["id"])
    assert demo.json("openstack security group show cli-group")["description"] == "of a test"
    demo("openstack security group set --name cli-group-2 cli-group")
    demo("openstack security group delete cli-group-2")


def test_keypairs(demo: Clients, tmp_path: Path) -> None:
    private = demo("openstack keypair create cli-made")
    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    public = tmp_path / "key.pub"
    public.write_text(PUBLIC_KEY)
    demo("openstack keypair create cli-given --public-key", str(public))
    assert demo("openstack keypair show --public-key cli-given").strip() == PUBLIC_KEY
    names = {row["Name"] for row in demo.json("openstack keypair list")}
    assert {"cli-made", "cli-given"} <= names
    demo("openstack keypair delete cli-made cli-given")
    assert "No Keypair found" in demo.refused("openstack keypair show cli-made")


def test_the_life_of_a_server(demo: Clients, nova: Nova, tmp_path: Path, left_as_found) -> None:
    script = tmp_path / "user-data"
    script.write_text("#!/bin/sh\n")
    demo("openstack keypair create life-key --private-key", str(tmp_path / "key"))
    demo("openstack volume create --size 1 life-vol")
    made = demo.json(
        "openstack server create --flavor m1.nano --image centos7 --network private "
        "--security-group default --key-name life-key --config-drive true --property role=web "
        "--wait life --user-data",
        str(script),
    )
    assert (made["status"], made["key_name"]) == ("ACTIVE", "life-key")
    rows = {row["Name"]: row for row in demo.json("openstack server list --long")}
    assert (rows["life"]["Image Name"], rows["life"]["Flavor"]) == ("centos7", "m1.nano")
    assert rows["life"]["Networks"]["private"]
    shown = demo.json("openstack server show life")
    assert shown["properties"] == {"role": "web"} and shown["config_drive"] == "True"
    assert "fake guest: ready" in demo("openstack console log show life")
    _volumes(demo, nova, shown["id"])
    _power(demo, nova, shown["id"])
    events = demo.json("openstack server event list life")
    actions = [event["Action"] for event in events]
    assert sorted(actions[:4]) == ["reboot", "reboot", "start", "stop"]
    assert actions[-1] == "create"
    request = events[-1]["Request ID"]
    assert "Success" in demo("openstack server event show life", request)
    demo("openstack server set --name life-2 --property more=yes life")
    demo("openstack server unset --property more life-2")
    assert "life-2" in demo("openstack server list --name ^life -f value -c Name")
    demo("openstack server delete --wait life-2")
    assert "No Server found for life-2" in demo.refused("openstack server show life-2")
    demo("openstack volume delete life-vol")
    demo("openstack keypair delete life-key")
    nova.until(lambda: "life-vol" not in demo("openstack volume list"), "the volume is deleted")


def test_the_disk_of_a_server(demo: Clients, nova: Nova, left_as_found) -> None:
    # Without --wait: the clients look every five seconds.
    server_id = nova.launch(name="disk")
    image = demo.json("openstack server image create --name disk-copy disk")
    assert nova.settled(server_id)["status"] == "ACTIVE"
    copy = demo.json("openstack image show disk-copy")
    assert (copy["id"], copy["status"]) == (image["id"], "active")
    demo("openstack server backup create --type daily --rotate 1 --name disk-backup disk")
    nova.settled(server_id)
    demo("openstack server rebuild --image disk-copy --name disk-2 disk")
    assert nova.settled(server_id)["image"]["id"] == image["id"]
    demo("openstack server shelve disk-2")
    assert nova.settled(server_id)["status"] == "SHELVED_OFFLOADED"
    assert "disk-2-shelved" in demo("openstack image list")
    demo("openstack server unshelve disk-2")
    assert nova.settled(server_id)["status"] == "ACTIVE"
    assert "disk-2-shelved" not in demo("openstack image list")
    demo("nova image-create disk-2 disk-copy-2")
    nova.settled(server_id)
    demo("nova rebuild disk-2 disk-copy-2")
    assert nova.settled(server_id)["status"] == "ACTIVE"
    nova.delete(server_id)
    demo("openstack image delete disk-copy disk-copy-2 disk-backup")


def _volumes(demo: Clients, nova: Nova, server_id: str) -> None:
    assert demo.json("openstack volume show life-vol")["status"] == "available"
    demo("openstack server add volume life life-vol")
    nova.until(
        lambda: demo.json("openstack volume show life-vol")["status"] == "in-use", "it is in use"
    )
    volume = demo.json("openstack volume show life-vol")
    assert volume["attachments"][0]["server_id"] == server_id
    (attached,) = demo.json("openstack server volume list life")
    assert attached["Volume ID"] == volume["id"]
    assert "it is in-use" in demo.refused("openstack volume delete life-vol")
    demo("openstack server remove volume life life-vol")
    nova.until(
        lambda: demo.json("openstack volume show life-vol")["status"] == "available",
        "the volume is free again",
    )


def _power(demo: Clients, nova: Nova, server_id: str) -> None:
    for command, status in (
        ("stop", "SHUTOFF"),
        ("start", "ACTIVE"),
        ("reboot", "ACTIVE"),
        ("reboot --hard", "ACTIVE"),
    ):
        demo(f"openstack server {command} life")
        assert nova.settled(server_id)["status"] == status
    assert "while it is in vm_state active" in demo.refused("openstack server start life")


def test_volumes(demo: Clients, nova: Nova) -> None:
    demo("openstack volume create --size 1 --description text --property a=b cli-vol")
    nova.until(
        lambda: demo.json("openstack volume show cli-vol")["status"] == "available", "it is made"
    )
    shown = demo.json("openstack volume show cli-vol")
    assert (shown["size"], shown["description"], shown["properties"]) == (1, "text", {"a": "b"})
    demo("openstack volume set --name cli-vol-2 --property c=d cli-vol")
    (row,) = [r for r in demo.json("openstack volume list --long") if r["Name"] == "cli-vol-2"]
    assert row["Properties"] == {"a": "b", "c": "d"}
    demo("openstack volume delete cli-vol-2")
    nova.until(lambda: "cli-vol-2" not in demo("openstack volume list"), "it is deleted")


def test_the_operator_looks_after_his_hosts(admin: Clients, demo: Clients) -> None:
    (host,) = admin.json("openstack hypervisor list")
    assert (host["Hypervisor Hostname"], host["State"]) == ("host-1", "up")
    assert admin.json("openstack hypervisor show host-1")["status"] == "enabled"
    command = "openstack compute service set {} host-1 nova-compute"
    admin(command.format("--disable --disable-reason maintenance"))
    (row,) = admin.json("openstack compute service list --service nova-compute --long")
    assert (row["Status"], row["Disabled Reason"]) == ("disabled", "maintenance")
    admin(command.format("--enable"))
    (row,) = admin.json("openstack compute service list --service nova-compute")
    assert (row["Status"], row["State"]) == ("enabled", "up")
    assert "ForbiddenException: 403" in demo.refused("openstack hypervisor list")
    zones = demo.json("openstack availability zone list --compute")
    assert zones == [{"Zone Name": "nova", "Zone Status": "available"}]


def test_quotas_and_limits(admin: Clients, demo: Clients) -> None:
    admin("openstack quota set --key-pairs 77 --ram 60000 demo")
    shown = {r["Resource"]: r["Limit"] for r in demo.json("openstack quota show")}
    assert (shown["key-pairs"], shown["ram"], shown["instances"]) == (77, 60000, 40)
    assert {"volumes", "gigabytes", "networks", "ports", "security_groups"} <= set(shown)
    usage = {r["Resource"]: r["In Use"] for r in demo.json("openstack quota show --usage")}
    assert {"instances", "cores", "ram"} <= set(usage)
    limits = {r["Name"]: r["Value"] for r in demo.json("openstack limits show --absolute")}
    assert (limits["instances"], limits["total_ram"]) == (40, 60000)
    assert "ForbiddenException: 403" in demo.refused("openstack quota set --ram 1 demo")


REFUSALS = {
    "server create --flavor nope --image centos7 --network private x": "No Flavor found for nope",
    "server create --flavor m1.nano --image nope --network private x": "No Image found for nope",
    "server create --flavor m1.nano --image centos7 --network nope x": "nope",
    "server create --flavor m1.nano --image centos7 --network private --key-name nope x": (
        "Invalid key_name provided."
    ),
    "server create --flavor m1.nano --image centos7 --network private --security-group nope x": (
        "nope"
    ),
    "server show nope": "No Server found for nope",
    "server delete nope": "No Server found for nope",
    "server add volume nope nope": "nope",
    "volume show nope": "nope",
    "network show nope": "No Network found for nope",
    "port show nope": "No Port found for nope",
    "console log show nope": "No Server found for nope",
}


@pytest.mark.parametrize("command", REFUSALS)
def test_what_is_not_there_is_named(demo: Clients, command: str, left_as_found) -> None:
    said = demo.refused(f"openstack {command}")
    assert REFUSALS[command] in said
    assert not re.search(r"HTTP 5\d\d", said)


def test_a_wrong_password_is_refused_in_one_sentence(cloud: Cloud) -> None:
    clients = Clients(cloud, "demo", OS_PASSWORD="wrong")
    try:
        said = clients.refused("openstack token issue")
    finally:
        clients.close()
    assert "The request you have made requires authentication. (HTTP 401)" in said
