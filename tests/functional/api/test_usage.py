"""Usage reports and their audits, hosts as they once were, snapshots by hypervisors, events."""

import datetime as dt
import uuid

import pytest

NOBODY = str(uuid.uuid4())
USAGE = "/os-simple-tenant-usage"


def moment(**ago: float) -> str:
    return f"{dt.datetime.now(dt.UTC) - dt.timedelta(**ago):%Y-%m-%dT%H:%M:%S.%f}"


def test_a_servers_hours_are_counted_also_when_it_is_gone(nova) -> None:
    start = moment(seconds=1)
    one, other = nova.launch(), nova.launch()
    nova.delete(other)
    path = f"{USAGE}/{nova.project}?start={start}&end={moment(hours=-1)}"
    usage = nova.get(path)["tenant_usage"]
    assert usage["tenant_id"] == nova.project and usage["start"] == start
    servers = {server["instance_id"]: server for server in usage["server_usages"]}
    here, gone = servers[one], servers[other]
    assert (here["state"], here["ended_at"]) == ("active", None)
    assert gone["state"] == "terminated" and gone["ended_at"] > gone["started_at"]
    for server in (here, gone):
        assert (server["vcpus"], server["memory_mb"], server["local_gb"]) == (1, 64, 1)
        assert server["flavor"] == "m1.nano" and 0 < server["hours"] < 1
    hours = sum(server["hours"] for server in usage["server_usages"])
    assert usage["total_hours"] == pytest.approx(hours) == usage["total_vcpus_usage"]
    assert usage["total_memory_mb_usage"] == pytest.approx(64 * hours)
    every = nova.get(f"{USAGE}?start={start}", user="admin")["tenant_usages"]
    (mine,) = [each for each in every if each["tenant_id"] == nova.project]
    assert "server_usages" not in mine
    detailed = nova.get(f"{USAGE}?detailed=1&start={start}", user="admin")["tenant_usages"]
    assert any(each.get("server_usages") for each in detailed)
    nova.delete(one)


def test_usage_comes_in_pages_from_2_40_on(nova) -> None:
    start = moment()
    ids = sorted([nova.launch(), nova.launch()])
    path = f"{USAGE}/{nova.project}?start={start}"
    first = nova.get(f"{path}&limit=1", version="2.40")
    assert [s["instance_id"] for s in first["tenant_usage"]["server_usages"]] == ids[:1]
    (link,) = first["tenant_usage_links"]
    assert link["rel"] == "next" and f"marker={ids[0]}" in link["href"]
    second = nova.get(f"{path}&limit=1&marker={ids[0]}", version="2.40")
    assert [s["instance_id"] for s in second["tenant_usage"]["server_usages"]] == ids[1:]
    assert nova.get(f"{path}&marker={ids[1]}", version="2.40") == {"tenant_usage": {}}
    old = nova.get(f"{path}&limit=1", version="2.39")
    assert len(old["tenant_usage"]["server_usages"]) == 2 and len(old) == 1
    nova.refused(400, "GET", f"{path}&marker={NOBODY}", version="2.40")
    nova.delete(*ids)


def test_senseless_and_foreign_usage_is_refused(nova) -> None:
    path = f"{USAGE}/{nova.project}"
    message = nova.refused(400, "GET", f"{path}?start={moment()}&end={moment(hours=1)}")
    assert message == "Invalid start time. The start time cannot occur after the end time."
    nova.refused(400, "GET", f"{path}?start=yesterday")
    nova.refused(400, "GET", f"{path}?other=1", version="2.75")
    nova.refused(403, "GET", USAGE)
    nova.refused(403, "GET", path, user="stranger")
    for nobody in (NOBODY, "%00", "x" * 300):
        assert nova.get(f"{USAGE}/{nobody}", user="admin") == {"tenant_usage": {}}


def test_no_host_has_run_a_usage_audit(nova) -> None:
    path = "/os-instance_usage_audit_log"
    log = nova.get(path, user="admin")["instance_usage_audit_logs"]
    assert (log["num_hosts"], log["hosts_not_run"]) == (1, ["host-1"])
    assert log["overall_status"] == "0 of 1 hosts done. 0 errors."
    before = nova.get(f"{path}/2026-01-15%2000:00:00", user="admin")["instance_usage_audit_log"]
    assert before["period_beginning"] == "2025-12-01 00:00:00"
    assert before["period_ending"] == "2026-01-01 00:00:00"
    message = nova.refused(400, "GET", f"{path}/yesterday", user="admin")
    assert message == "Invalid timestamp for date yesterday"
    nova.refused(400, "GET", f"{path}/0001-01-01%2000:00:00", user="admin")
    nova.refused(403, "GET", path)


def test_hosts_are_shown_until_2_42(nova) -> None:
    old = {"user": "admin", "version": "2.42"}
    hosts = nova.get("/os-hosts", **old)["hosts"]
    assert {"host_name": "host-1", "service": "compute", "zone": "nova"} in hosts
    zoned = nova.get("/os-hosts?zone=nova", **old)["hosts"]
    assert [host["service"] for host in zoned] == ["compute"]
    server_id = nova.launch()
    resources = [entry["resource"] for entry in nova.get("/os-hosts/host-1", **old)["host"]]
    assert [entry["project"] for entry in resources[:3]] == ["(total)", "(used_now)", "(used_max)"]
    (mine,) = [entry for entry in resources if entry["project"] == nova.project]
    assert (mine["cpu"], mine["memory_mb"]) >= (1, 64)
    nova.delete(server_id)
    off = nova.call("PUT", "/os-hosts/host-1", {"status": "disable"}, **old)
    assert off.json() == {"host": "host-1", "status": "disabled"}
    assert nova.get("/os-hosts?zone=nova", **old)["hosts"] == []
    on = nova.call("PUT", "/os-hosts/host-1", {"status": "Enable"}, **old)
    assert on.json() == {"host": "host-1", "status": "enabled"}
    for body, status in (({}, 400), ({"status": "x"}, 400), ({"maintenance_mode": "enable"}, 501)):
        nova.refused(status, "PUT", "/os-hosts/host-1", body, **old)
    for action in ("startup", "shutdown", "reboot"):
        nova.refused(501, "GET", f"/os-hosts/host-1/{action}", **old)
        nova.refused(404, "GET", f"/os-hosts/nowhere/{action}", **old)
    nova.refused(404, "GET", "/os-hosts/nowhere", **old)
    nova.refused(404, "PUT", "/os-hosts/nowhere", {"status": "enable"}, **old)
    nova.refused(403, "GET", "/os-hosts", version="2.42")
    nova.refused(404, "GET", "/os-hosts", user="admin", version="2.43")


def test_a_snapshot_with_the_hypervisors_help_is_answered_as_nova_does(nova) -> None:
    path = "/os-assisted-volume-snapshots"
    volume = nova.call("POST", "/os-volumes", {"volume": {"size": 1}}, version="2.35").json()
    volume_id = volume["volume"]["id"]

    def status():
        return nova.get(f"/os-volumes/{volume_id}", version="2.35")["volume"]["status"]

    nova.until(lambda: status() == "available", "the volume is available")
    info = {"snapshot_id": NOBODY, "type": "qcow2", "new_file": "x"}
    body = {"snapshot": {"volume_id": volume_id, "create_info": info}}
    where = f'{path}/{NOBODY}?delete_info={{"volume_id": "{volume_id}"}}'
    for method, url, sent in (("POST", path, body), ("DELETE", where, None)):
        assert nova.refused(400, method, url, sent, user="service") == (
            f"No volume Block Device Mapping with id {volume_id}."
        )
        nova.refused(403, method, url, sent)
    for query in ("", "?delete_info=x", '?delete_info={"volume_id": "\\u0000"}'):
        nova.refused(400, "DELETE", f"{path}/{NOBODY}{query}", user="admin")
    wrong = {"snapshot": {**body["snapshot"], "create_info": {**info, "type": "raw"}}}
    nova.refused(400, "POST", path, wrong, user="admin")
    server_id = nova.launch()
    attach = {"volumeAttachment": {"volumeId": volume_id}}
    nova.call("POST", f"/servers/{server_id}/os-volume_attachments", attach)
    nova.until(lambda: status() == "in-use", "the volume is attached")
    made = nova.call("POST", path, body, user="service")
    assert made.json() == {"snapshot": {"id": None, "volumeId": volume_id}}
    assert nova.call("DELETE", where, user="service").status_code == 204
    nova.delete(server_id)
    nova.until(lambda: status() == "available", "the volume is free again")
    nova.call("DELETE", f"/os-volumes/{volume_id}", version="2.35")


def test_events_are_taken_from_the_version_that_knows_them(nova) -> None:
    server_id = nova.launch()
    path = "/os-server-external-events"
    for name, since in (
        ("network-changed", "2.1"),
        ("volume-extended", "2.51"),
        ("power-update", "2.76"),
        ("accelerator-request-bound", "2.82"),
        ("volume-reimaged", "2.93"),
    ):
        event = {"name": name, "server_uuid": server_id, "tag": NOBODY}
        taken = nova.call("POST", path, {"events": [event]}, user="service", version=since)
        assert taken.status_code == 200, taken.text
        assert taken.json() == {"events": [{**event, "status": "completed", "code": 200}]}
        minor = int(since.partition(".")[2])
        if minor > 1:
            before = f"2.{minor - 1}"
            nova.refused(400, "POST", path, {"events": [event]}, user="service", version=before)
    events = [
        {"name": "volume-extended", "server_uuid": server_id},
        {"name": "network-vif-plugged", "server_uuid": NOBODY, "status": "in-progress"},
    ]
    some = nova.call("POST", path, {"events": events}, user="service")
    assert some.status_code == 207
    assert [(e["code"], e["status"]) for e in some.json()["events"]] == [
        (400, "failed"),
        (404, "failed"),
    ]
    nova.refused(400, "POST", path, {"events": []}, user="service")
    nova.delete(server_id)
