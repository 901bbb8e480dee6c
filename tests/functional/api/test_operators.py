"""What operators look at: hypervisors, services, zones, quotas, limits."""

import re
import uuid

import pytest

NOBODY = str(uuid.uuid4())


@pytest.mark.parametrize(
    "path",
    [
        "/os-hypervisors",
        "/os-hypervisors/detail",
        "/os-services",
        "/os-availability-zone/detail",
        "/os-aggregates",
        f"/os-quota-sets/{NOBODY}",
        f"/limits?tenant_id={NOBODY}",
    ],
)
def test_a_user_does_not_see_the_operators_side(nova, path) -> None:
    nova.refused(403, "GET", path)


def test_a_hypervisor_is_shown_in_the_form_of_each_time(nova) -> None:
    (old,) = nova.get("/os-hypervisors/detail", user="admin", version="2.1")["hypervisors"]
    assert isinstance(old["id"], int) and isinstance(old["cpu_info"], str)
    (middle,) = nova.get("/os-hypervisors/detail", user="admin", version="2.53")["hypervisors"]
    assert middle["cpu_info"]["accelerator"] == "fake"
    (new,) = nova.get("/os-hypervisors/detail", user="admin")["hypervisors"]
    assert not {"cpu_info", "vcpus", "running_vms"} & set(new)
    assert (new["hypervisor_hostname"], new["state"], new["status"]) == ("host-1", "up", "enabled")
    # The form that `openstack hypervisor show` takes apart.
    assert re.match(r"\s*(.+)\sup\s+(.+),\s+(.+)\susers?,\s+load average:\s(.+)", new["uptime"])
    shown = nova.get(f"/os-hypervisors/{new['id']}", user="admin")["hypervisor"]
    assert {**shown, "uptime": ""} == {**new, "uptime": ""}


def test_the_counters_follow_the_servers(nova) -> None:
    def used() -> dict[str, int]:
        path = "/os-hypervisors/statistics"
        return nova.get(path, user="admin", version="2.87")["hypervisor_statistics"]

    before = used()
    server_id = nova.launch()
    during = used()
    assert during["running_vms"] == before["running_vms"] + 1
    assert during["memory_mb_used"] == before["memory_mb_used"] + 64
    path = "/os-hypervisors/detail?with_servers=True"
    (host,) = nova.get(path, user="admin")["hypervisors"]
    assert server_id in [server["uuid"] for server in host["servers"]]
    nova.delete(server_id)
    assert used() == before
    nova.refused(404, "GET", "/os-hypervisors/statistics", user="admin")
    nova.refused(404, "GET", "/os-hypervisors/host-9/search", user="admin", version="2.52")
    nova.refused(400, "GET", "/os-hypervisors/host-1", user="admin")
    nova.refused(404, "GET", f"/os-hypervisors/{NOBODY}", user="admin")


def test_a_disabled_compute_gets_no_launches_until_enabled(nova) -> None:
    (compute,) = nova.get("/os-services?binary=nova-compute", user="admin")["services"]
    path = f"/os-services/{compute['id']}"
    off = {"status": "disabled", "disabled_reason": "maintenance"}
    shown = nova.call("PUT", path, off, user="admin").json()["service"]
    assert (shown["status"], shown["disabled_reason"]) == ("disabled", "maintenance")
    server_id = nova.call("POST", "/servers", nova.request()).json()["server"]["id"]
    failed = nova.settled(server_id)
    assert failed["status"] == "ERROR" and "No valid host was found" in failed["fault"]["message"]
    assert "details" not in failed["fault"]
    nova.delete(server_id)
    old = {"host": "host-1", "binary": "nova-compute"}
    enabled = nova.call("PUT", "/os-services/enable", old, user="admin", version="2.52")
    assert enabled.json()["service"] == {**old, "status": "enabled"}
    nova.delete(nova.launch())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"status": "gone"}, 400),
        ({"disabled_reason": "why"}, 400),
        ({"status": "enabled", "disabled_reason": "why"}, 400),
    ],
)
def test_a_senseless_change_of_a_service_is_refused(nova, body, status) -> None:
    (compute,) = nova.get("/os-services?binary=nova-compute", user="admin")["services"]
    nova.refused(status, "PUT", f"/os-services/{compute['id']}", body, user="admin")
    nova.refused(404, "PUT", f"/os-services/{NOBODY}", {"status": "enabled"}, user="admin")
    nova.refused(400, "DELETE", "/os-services/1", user="admin")


def test_the_zone_is_there_and_admins_see_its_hosts(nova) -> None:
    plain = nova.get("/os-availability-zone")["availabilityZoneInfo"]
    assert plain == [{"zoneName": "nova", "zoneState": {"available": True}, "hosts": None}]
    zones = nova.get("/os-availability-zone/detail", user="admin")["availabilityZoneInfo"]
    assert [zone["zoneName"] for zone in zones] == ["internal", "nova"]
    assert "nova-compute" in zones[1]["hosts"]["host-1"]


def test_a_quota_is_changed_holds_and_goes_back(nova) -> None:
    path = f"/os-quota-sets/{nova.project}"
    in_use = nova.get(f"{path}/detail")["quota_set"]["instances"]["in_use"]
    wanted = {"quota_set": {"instances": in_use + 1}}
    nova.refused(403, "PUT", path, wanted)
    assert nova.call("PUT", path, wanted, user="admin").json()["quota_set"]["instances"] == (
        in_use + 1
    )
    first = nova.launch()
    message = nova.refused(403, "POST", "/servers", nova.request())
    assert message == (
        f"Quota exceeded for instances: Requested 1, but already used {in_use + 1} of "
        f"{in_use + 1} instances"
    )
    limits = nova.get("/limits")["limits"]["absolute"]
    assert (limits["maxTotalInstances"], limits["totalInstancesUsed"]) == (in_use + 1, in_use + 1)
    nova.refused(400, "PUT", path, {"quota_set": {"instances": in_use}}, user="admin")
    assert nova.call("DELETE", path, user="admin").status_code == 202
    assert nova.get(path)["quota_set"]["instances"] == 40
    nova.delete(first)


def test_quotas_and_limits_lose_what_went_elsewhere(nova) -> None:
    path = f"/os-quota-sets/{nova.project}/defaults"
    for version, gone in (
        ("2.35", set()),
        ("2.36", {"floating_ips", "security_groups"}),
        ("2.57", {"floating_ips", "injected_files"}),
    ):
        shown = set(nova.get(path, version=version)["quota_set"])
        assert not gone & shown and ("floating_ips" in shown) is (version == "2.35")
    old = nova.get("/limits", version="2.1")["limits"]["absolute"]
    new = nova.get("/limits")["limits"]["absolute"]
    assert set(old) - set(new) == {
        *("maxImageMeta", "maxPersonality", "maxPersonalitySize", "maxSecurityGroupRules"),
        *("maxSecurityGroups", "maxTotalFloatingIps", "totalFloatingIpsUsed"),
        "totalSecurityGroupsUsed",
    }
    nova.refused(
        400, "PUT", f"/os-quota-sets/{nova.project}", {"quota_set": {"x": 1}}, user="admin"
    )


def test_extensions_are_listed_for_clients_that_ask(nova) -> None:
    aliases = [entry["alias"] for entry in nova.get("/extensions")["extensions"]]
    assert "os-keypairs" in aliases
    # Tempest asks for these two.
    assert {"os-hosts", "os-consoles"} <= set(aliases)
    assert nova.get("/extensions/os-keypairs")["extension"]["alias"] == "os-keypairs"
    nova.refused(404, "GET", "/extensions/nope")


def test_an_old_change_of_a_service_names_it_by_host_and_binary(nova) -> None:
    old = {"user": "admin", "version": "2.52"}
    name = {"host": "host-1", "binary": "nova-compute"}
    off = nova.call(
        "PUT", "/os-services/disable-log-reason", {**name, "disabled_reason": "x"}, **old
    )
    assert off.json()["service"] == {**name, "status": "disabled", "disabled_reason": "x"}
    (shown,) = nova.get("/os-services?binary=nova-compute", **old)["services"]
    assert (shown["status"], shown["disabled_reason"]) == ("disabled", "x")
    (host,) = nova.get("/os-hypervisors/detail", **old)["hypervisors"]
    assert (host["status"], host["service"]["disabled_reason"]) == ("disabled", "x")
    on = nova.call("PUT", "/os-services/enable", name, **old)
    assert on.json()["service"] == {**name, "status": "enabled"}
    for word, body, status in (
        ("fly", name, 404),
        ("disable-log-reason", name, 400),
        ("disable", {"host": "nowhere", "binary": "nova-compute"}, 404),
        ("disable", {"host": "host-1", "binary": "nova-scheduler"}, 400),
        ("disable", {"host": "host-1"}, 400),
        ("force-down", name, 400),
    ):
        nova.refused(status, "PUT", f"/os-services/{word}", body, **old)
    nova.refused(404, "PUT", "/os-services/force-down", name, user="admin", version="2.10")


def test_a_compute_that_is_forced_down_counts_as_down(nova) -> None:
    name = {"host": "host-1", "binary": "nova-compute"}
    down = {**name, "forced_down": "true"}
    shown = nova.call("PUT", "/os-services/force-down", down, user="admin", version="2.11")
    assert shown.json()["service"] == {**name, "forced_down": True}
    try:
        (host,) = nova.get("/os-hypervisors/detail", user="admin")["hypervisors"]
        assert (host["state"], host["uptime"]) == ("down", None)
        path = f"/os-hypervisors/{host['id']}/uptime"
        nova.refused(400, "GET", path, user="admin", version="2.87")
        server_id = nova.call("POST", "/servers", nova.request()).json()["server"]["id"]
        assert nova.settled(server_id)["status"] == "ERROR"
        nova.delete(server_id)
    finally:
        up = {**name, "forced_down": False}
        nova.call("PUT", "/os-services/force-down", up, user="admin", version="2.11")
    (host,) = nova.get("/os-hypervisors", user="admin")["hypervisors"]
    assert host["state"] == "up"


def test_a_compute_with_servers_is_not_forgotten(nova) -> None:
    server_id = nova.launch()
    (compute,) = nova.get("/os-services?binary=nova-compute", user="admin")["services"]
    message = nova.refused(409, "DELETE", f"/os-services/{compute['id']}", user="admin")
    assert "hosting instances" in message
    nova.delete(server_id)


def test_the_extensions_are_those_of_the_compute_api(nova) -> None:
    listed = {entry["alias"]: entry for entry in nova.get("/extensions")["extensions"]}
    for alias in ("os-server-groups", "os-hosts", "OS-EXT-IMG-SIZE", "os-quota-class-sets"):
        assert nova.get(f"/extensions/{alias}")["extension"] == listed[alias]
