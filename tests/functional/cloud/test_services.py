"""Who serves: the services list tells the truth when one dies, stops or is disabled."""

from typing import Any

from tests.nova import Nova

BINARIES = {"nova-compute", "nova-conductor", "nova-scheduler"}


def test_every_service_is_up(nova: Nova) -> None:
    services: list[dict[str, Any]] = nova.get("/os-services", user="admin")["services"]
    assert {s["binary"] for s in services} == BINARIES
    assert {(s["state"], s["status"], s["host"]) for s in services} == {("up", "enabled", "host-1")}
    computes = {s["binary"]: s["zone"] for s in services}
    assert computes["nova-compute"] == "nova" and computes["nova-conductor"] == "internal"


def test_a_disabled_host_gets_no_servers(nova: Nova, left_as_found) -> None:
    (compute,) = nova.get("/os-services?binary=nova-compute", user="admin")["services"]
    path = f"/os-services/{compute['id']}"
    nova.call("PUT", path, {"status": "disabled", "disabled_reason": "mending"}, user="admin")
    answer = nova.call("POST", "/servers", nova.request(name="nowhere"))
    nowhere = nova.settled(answer.json()["server"]["id"])
    assert (nowhere["status"], nowhere["fault"]["code"]) == ("ERROR", 500)
    assert "No valid host" in nowhere["fault"]["message"]
    nova.call("PUT", path, {"status": "enabled"}, user="admin")
    nova.delete(nowhere["id"], nova.launch(name="somewhere"))
