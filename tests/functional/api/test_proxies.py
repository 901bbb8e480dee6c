"""What nova-api asks other services for, until 2.35: groups, networks, volumes, images."""

import uuid

import pytest

OLD = "2.35"
NOBODY = str(uuid.uuid4())


def call(nova, method, path, body=None, status=200, **options):
    answer = nova.call(method, path, body, version=OLD, **options)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.text else None


@pytest.mark.parametrize(
    "path",
    [
        *("/os-security-groups", "/os-networks", "/os-tenant-networks", "/os-floating-ips"),
        *("/os-floating-ip-pools", "/os-volumes", "/os-volumes/detail", "/os-snapshots"),
        *("/images", "/images/detail"),
    ],
)
def test_from_2_36_on_they_are_not_there(nova, path) -> None:
    call(nova, "GET", path)
    assert nova.refused(404, "GET", path, version="2.36") == "The resource could not be found."


def test_bare_metal_is_not_here(nova) -> None:
    path = "/os-baremetal-nodes"
    nova.refused(403, "GET", path, version=OLD)
    nova.refused(501, "GET", path, version=OLD, user="admin")
    nova.refused(400, "POST", path, {"node": {}}, version=OLD, user="admin")
    nova.refused(404, "GET", path, version="2.36", user="admin")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", "/os-agents"), ("GET", "/os-cells"), ("GET", "/os-cells/detail")),
        *(("POST", "/os-cells/sync_instances"), ("GET", "/os-certificates/root")),
        *(("GET", "/os-cloudpipe"), ("GET", "/os-fping"), ("GET", "/os-fixed-ips/10.0.0.1")),
        *(("GET", "/os-floating-ip-dns"), ("PUT", "/os-floating-ip-dns/x/entries/y")),
        *(("GET", "/os-floating-ips-bulk"), ("POST", "/os-networks"), ("POST", "/os-networks/add")),
        *(("GET", "/os-security-group-default-rules"), ("DELETE", f"/os-tenant-networks/{NOBODY}")),
        ("GET", f"/servers/{NOBODY}/os-virtual-interfaces"),
        ("GET", f"/servers/{NOBODY}/consoles"),
    ],
)
def test_what_is_gone_for_good_says_so_at_every_version(nova, method, path) -> None:
    for version in ("2.1", "2.96"):
        nova.refused(410, method, path, version=version)


def make_group(nova, **options):
    body = {"security_group": {"name": "web", "description": "of the web"}}
    return call(nova, "POST", "/os-security-groups", body, **options)["security_group"]


def test_a_security_group_and_its_rules_come_and_go(nova) -> None:
    group = make_group(nova)
    assert (group["name"], group["description"], group["rules"]) == ("web", "of the web", [])
    assert group["tenant_id"] == nova.project
    path = f"/os-security-groups/{group['id']}"
    rule = {"parent_group_id": group["id"], "ip_protocol": "tcp", "from_port": 22, "to_port": 23}
    made = call(nova, "POST", "/os-security-group-rules", {"security_group_rule": rule})
    made = made["security_group_rule"]
    assert made == {
        "id": made["id"],
        "parent_group_id": group["id"],
        "ip_protocol": "tcp",
        "from_port": 22,
        "to_port": 23,
        "group": {},
        "ip_range": {"cidr": "0.0.0.0/0"},
    }
    assert call(nova, "GET", path)["security_group"]["rules"] == [made]
    peer = make_group(nova)
    source = {"parent_group_id": group["id"], "group_id": peer["id"], "ip_protocol": "udp"}
    by_group = call(nova, "POST", "/os-security-group-rules", {"security_group_rule": source})
    by_group = by_group["security_group_rule"]
    assert by_group["group"] == {"name": "web", "tenant_id": nova.project}
    assert (by_group["from_port"], by_group["to_port"], by_group["ip_range"]) == (1, 65535, {})
    listed = call(nova, "GET", "/os-security-groups")["security_groups"]
    (shown,) = [entry for entry in listed if entry["id"] == group["id"]]
    assert {rule["id"] for rule in shown["rules"]} == {made["id"], by_group["id"]}
    renamed = {"security_group": {"name": "db", "description": ""}}
    assert call(nova, "PUT", path, renamed)["security_group"]["name"] == "db"
    call(nova, "DELETE", f"/os-security-group-rules/{made['id']}", status=202)
    nova.refused(404, "DELETE", f"/os-security-group-rules/{made['id']}", version=OLD)
    # With the other group its rules go.
    call(nova, "DELETE", f"/os-security-groups/{peer['id']}", status=202)
    assert call(nova, "GET", path)["security_group"]["rules"] == []
    call(nova, "DELETE", path, status=202)
    nova.refused(404, "GET", path, version=OLD)


def test_foreign_and_wrong_groups_are_refused(nova) -> None:
    group = make_group(nova)
    path = f"/os-security-groups/{group['id']}"
    for method, body in (("GET", None), ("DELETE", None)):
        nova.refused(404, method, path, body, user="stranger", version=OLD)
    assert nova.refused(400, "GET", "/os-security-groups/x", version=OLD) == (
        "Security group id should be uuid"
    )
    (default,) = [
        entry
        for entry in call(nova, "GET", "/os-security-groups")["security_groups"]
        if entry["name"] == "default"
    ]
    nova.refused(400, "DELETE", f"/os-security-groups/{default['id']}", version=OLD)
    long = {"security_group": {"name": "x" * 256, "description": ""}}
    nova.refused(400, "POST", "/os-security-groups", long, version=OLD)
    nova.refused(400, "PUT", path, long, version=OLD)
    call(nova, "DELETE", path, status=202)


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({}, 400),
        ({"ip_protocol": "tcp", "from_port": 22}, 400),
        ({"ip_protocol": "tcp", "from_port": 23, "to_port": 22}, 400),
        ({"ip_protocol": "tcp", "from_port": 0, "to_port": 65536}, 400),
        ({"ip_protocol": "tcp", "from_port": "x", "to_port": 1}, 400),
        ({"ip_protocol": [1], "from_port": 1, "to_port": 1}, 400),
        ({"ip_protocol": "sctp1", "from_port": 1, "to_port": 1}, 400),
        ({"ip_protocol": "icmp", "from_port": -2, "to_port": -1}, 400),
        ({"ip_protocol": "tcp", "from_port": 1, "to_port": 1, "cidr": "x"}, 400),
        ({"ip_protocol": "tcp", "from_port": 1, "to_port": 1, "group_id": "x"}, 400),
        ({"ip_protocol": "tcp", "from_port": 1, "to_port": 1, "group_id": NOBODY}, 404),
        ({"parent_group_id": NOBODY, "ip_protocol": "tcp", "from_port": 1, "to_port": 1}, 404),
        ({"parent_group_id": "x", "ip_protocol": "tcp", "from_port": 1, "to_port": 1}, 400),
    ],
)
def test_a_senseless_rule_is_refused(nova, values, status) -> None:
    (default,) = call(nova, "GET", "/os-security-groups", user="stranger")["security_groups"]
    rule = {"parent_group_id": default["id"], **values}
    nova.refused(
        status,
        "POST",
        "/os-security-group-rules",
        {"security_group_rule": rule},
        user="stranger",
        version=OLD,
    )


def test_the_same_rule_twice_is_refused(nova) -> None:
    group = make_group(nova)
    rule = {"parent_group_id": group["id"], "ip_protocol": "icmp", "from_port": -1, "to_port": -1}
    body = {"security_group_rule": rule}
    made = call(nova, "POST", "/os-security-group-rules", body)["security_group_rule"]
    assert (made["from_port"], made["to_port"]) == (-1, -1)
    message = nova.refused(400, "POST", "/os-security-group-rules", body, version=OLD)
    assert message == f"This rule already exists in group {group['id']}"
    call(nova, "DELETE", f"/os-security-groups/{group['id']}", status=202)


def test_networks_are_shown_with_what_is_left_of_their_fields(nova) -> None:
    (network,) = call(nova, "GET", "/os-networks")["networks"]
    assert (network["id"], network["label"], network["cidr"]) == (nova.network, "private", None)
    path = f"/os-networks/{nova.network}"
    assert call(nova, "GET", path)["network"] == network
    assert set(network) < set(call(nova, "GET", path, user="admin")["network"])
    own = {"id": nova.network, "label": "private", "cidr": "None"}
    assert call(nova, "GET", "/os-tenant-networks")["networks"] == [own]
    assert call(nova, "GET", f"/os-tenant-networks/{nova.network}")["network"] == own
    for where in ("os-networks", "os-tenant-networks"):
        for wrong in (NOBODY, "x%3Fy=1"):
            message = nova.refused(404, "GET", f"/{where}/{wrong}", version=OLD)
            assert message in ("Network not found", "The resource could not be found.")


def test_without_external_networks_there_are_no_floating_ips(nova) -> None:
    assert call(nova, "GET", "/os-floating-ip-pools")["floating_ip_pools"] == []
    assert call(nova, "GET", "/os-floating-ips")["floating_ips"] == []
    assert nova.refused(404, "POST", "/os-floating-ips", {"pool": "x"}, version=OLD) == (
        "Floating IP pool not found."
    )
    nova.refused(404, "POST", "/os-floating-ips", version=OLD)
    for method in ("GET", "DELETE"):
        assert nova.refused(404, method, f"/os-floating-ips/{NOBODY}", version=OLD) == (
            f"Floating IP not found for ID {NOBODY}"
        )


def test_floating_ip_actions_need_an_address_that_is_there(nova) -> None:
    server_id = nova.launch()
    path = f"/servers/{server_id}/action"
    for action, message in (
        ("addFloatingIp", "floating IP not found"),
        ("removeFloatingIp", "Floating IP not found for address 192.0.2.1."),
    ):
        body = {action: {"address": "192.0.2.1"}}
        assert nova.refused(404, "POST", path, body, version="2.43") == message
        nova.refused(404, "POST", path, body, version="2.44")
        nova.refused(400, "POST", path, {action: {"address": "x"}}, version="2.43")
    foreign = {"addFloatingIp": {"address": "192.0.2.1", "fixed_address": "192.0.2.2"}}
    assert nova.refused(400, "POST", path, foreign, version="2.43") == (
        "Specified fixed address not assigned to instance"
    )
    nova.delete(server_id)


def test_a_volume_is_made_shown_and_deleted_by_its_old_names(nova) -> None:
    wanted = {"size": 1, "display_name": "v", "display_description": "d", "metadata": {"a": "b"}}
    made = call(nova, "POST", "/os-volumes", {"volume": wanted})["volume"]
    path = f"/os-volumes/{made['id']}"

    def shown():
        return call(nova, "GET", path)["volume"]

    nova.until(lambda: shown()["status"] == "available", "the volume is available")
    volume = shown()
    assert volume["attachments"] == [{}] and volume["metadata"] == {"a": "b"}
    assert (volume["displayName"], volume["displayDescription"]) == ("v", "d")
    for where in ("/os-volumes", "/os-volumes/detail"):
        assert volume in call(nova, "GET", where)["volumes"]
    assert call(nova, "GET", "/os-volumes?limit=1&offset=9")["volumes"] == []
    server_id = nova.launch()
    attach = {"volumeAttachment": {"volumeId": made["id"]}}
    done = nova.call("POST", f"/servers/{server_id}/os-volume_attachments", attach)
    assert done.status_code == 200
    nova.until(lambda: shown()["status"] == "in-use", "the volume is in use")
    (attachment,) = shown()["attachments"]
    assert (attachment["serverId"], attachment["volumeId"]) == (server_id, made["id"])
    nova.refused(400, "DELETE", path, version=OLD)
    nova.delete(server_id)
    nova.until(lambda: shown()["status"] == "available", "the volume is available")
    call(nova, "DELETE", path, status=202)
    nova.until(lambda: nova.call("GET", path, version=OLD).status_code == 404, "the volume is gone")
    for wrong in ({"size": 0}, {"size": "x"}, {}, {"size": 1, "other": 1}):
        nova.refused(400, "POST", "/os-volumes", {"volume": wrong}, version=OLD)
    nova.refused(404, "GET", "/os-volumes/x", version=OLD)
    nova.refused(404, "GET", f"/os-snapshots/{NOBODY}", version=OLD)
    assert call(nova, "GET", "/os-snapshots/detail")["snapshots"] == []


def test_images_are_listed_shown_and_filtered(nova) -> None:
    image = call(nova, "GET", f"/images/{nova.image}")["image"]
    assert (image["name"], image["status"], image["progress"]) == ("centos7", "ACTIVE", 100)
    assert image["OS-EXT-IMG-SIZE:size"] == 4096
    assert [link["rel"] for link in image["links"]] == ["self", "bookmark", "alternate"]
    assert image in call(nova, "GET", "/images/detail?name=centos7")["images"]
    assert call(nova, "GET", "/images/detail?name=other")["images"] == []
    assert call(nova, "GET", "/images?status=SAVING")["images"] == []
    assert call(nova, "GET", f"/images?server={NOBODY}")["images"] == []
    first = call(nova, "GET", "/images?limit=1")
    assert len(first["images"]) == 1 and first["images_links"][0]["rel"] == "next"
    nova.refused(404, "GET", "/images/x", version=OLD)
    nova.refused(403, "DELETE", f"/images/{nova.image}", version=OLD)


def test_an_images_properties_are_changed_until_2_38(nova) -> None:
    demo = nova.connections["demo"]
    image = demo.image.create_image(
        name="mine", disk_format="raw", container_format="bare", data=b"x", validate_checksum=False
    )
    path = f"/images/{image.id}/metadata"
    own = call(nova, "PUT", path, {"metadata": {"a": "1"}})["metadata"]
    assert own["a"] == "1"
    assert call(nova, "POST", path, {"metadata": {"b": "2"}})["metadata"] == {**own, "b": "2"}
    assert call(nova, "PUT", f"{path}/b", {"meta": {"b": "3"}}) == {"meta": {"b": "3"}}
    assert call(nova, "GET", f"{path}/b") == {"meta": {"b": "3"}}
    nova.refused(400, "PUT", f"{path}/b", {"meta": {"c": "3"}}, version=OLD)
    call(nova, "DELETE", f"{path}/b", status=204)
    nova.refused(404, "DELETE", f"{path}/b", version=OLD)
    assert nova.get(path, version="2.38")["metadata"] == own
    nova.refused(404, "GET", path, version="2.39")
    call(nova, "DELETE", f"/images/{image.id}", status=204)
    nova.refused(404, "GET", path, version=OLD)


def test_volumes_boot_is_another_name_of_servers(nova) -> None:
    made = nova.call("POST", "/os-volumes_boot", nova.request())
    assert made.status_code == 202
    server_id = made.json()["server"]["id"]
    assert nova.settled(server_id)["status"] == "ACTIVE"
    path = f"/os-volumes_boot/{server_id}"
    assert nova.get(path)["server"]["id"] == server_id
    assert server_id in [each["id"] for each in nova.get("/os-volumes_boot/detail")["servers"]]
    assert nova.call("POST", f"{path}/action", {"lock": None}).status_code == 202
    assert nova.call("POST", f"{path}/action", {"unlock": None}).status_code == 202
    assert nova.call("DELETE", path).status_code == 204
    nova.until(lambda: nova.call("GET", path).status_code == 404, "the server is gone")
