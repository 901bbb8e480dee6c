"""Quotas of projects, users and classes; what they allow, and in which form they are shown."""

import uuid
from contextlib import contextmanager

import pytest

NOBODY = uuid.uuid4().hex


@contextmanager
def quota(nova, query="", **limits):
    """Limits of the demo project (or user), for the block."""
    path = f"/os-quota-sets/{nova.project}{query}"
    answer = nova.call("PUT", path, {"quota_set": limits}, user="admin")
    assert answer.status_code == 200, answer.text
    try:
        yield
    finally:
        assert nova.call("DELETE", path, user="admin").status_code == 202


def user_of(nova) -> str:
    return str(nova.connections["demo"].current_user_id)


def test_a_user_has_a_quota_of_his_own_within_his_project(nova) -> None:
    path = f"/os-quota-sets/{nova.project}"
    query = f"?user_id={user_of(nova)}"
    used = nova.get(f"{path}/detail")["quota_set"]["instances"]["in_use"]
    with quota(nova, query, instances=used + 1, force=True):
        assert nova.get(path + query)["quota_set"]["instances"] == used + 1
        assert nova.get(path)["quota_set"]["instances"] == 40
        server_id = nova.launch()
        shown = nova.get(f"{path}/detail{query}")["quota_set"]["instances"]
        assert shown == {"limit": used + 1, "in_use": used + 1, "reserved": 0}
        message = nova.refused(403, "POST", "/servers", nova.request())
        assert message.startswith("Quota exceeded for instances: Requested 1")
        # Another user of the project is not held by it.
        nova.delete(nova.launch(user="admin"), user="admin")
        nova.delete(server_id)
    assert nova.get(path + query)["quota_set"]["instances"] == 40


def test_a_user_gets_no_more_than_his_project_has(nova) -> None:
    path = f"/os-quota-sets/{nova.project}?user_id={user_of(nova)}"
    for wrong in (41, -1):
        body = {"quota_set": {"instances": wrong}}
        message = nova.refused(400, "PUT", path, body, user="admin")
        assert message == (f"Quota limit {wrong} for instances must be less than or equal to 40.")
        assert nova.call("PUT", path, {"quota_set": {"force": True, "instances": 41}}, user="admin")
        assert nova.call("DELETE", path, user="admin").status_code == 202


@pytest.mark.parametrize("wrong", [{"instances": -2}, {"instances": "x"}, {"gigabytes": 1}])
def test_a_senseless_quota_is_refused(nova, wrong) -> None:
    for path, key in (
        (f"/os-quota-sets/{nova.project}", "quota_set"),
        ("/os-quota-class-sets/default", "quota_class_set"),
    ):
        nova.refused(400, "PUT", path, {key: wrong}, user="admin")


def test_a_project_that_is_not_there_has_no_quota(nova) -> None:
    for path in (f"/os-quota-sets/{NOBODY}", f"/os-quota-sets/{NOBODY}/detail"):
        message = nova.refused(400, "GET", path, user="admin")
        assert message == f"Project ID {NOBODY} is not a valid project."
    body = {"quota_set": {"instances": 1}}
    nova.refused(400, "PUT", f"/os-quota-sets/{NOBODY}", body, user="admin")
    nova.refused(400, "GET", "/os-quota-sets/a%20b", user="admin")
    nova.refused(403, "GET", f"/os-quota-sets/{NOBODY}")


def test_the_class_default_is_what_projects_have_by_default(nova) -> None:
    path = "/os-quota-class-sets/default"
    nova.refused(403, "GET", path)
    before = nova.get(path, user="admin")["quota_class_set"]
    assert before["id"] == "default" and before["instances"] == 40
    try:
        body = {"quota_class_set": {"instances": 41, "key_pairs": 3}}
        changed = nova.call("PUT", path, body, user="admin").json()["quota_class_set"]
        assert "id" not in changed and (changed["instances"], changed["key_pairs"]) == (41, 3)
        assert nova.get(f"/os-quota-sets/{nova.project}")["quota_set"]["instances"] == 41
        shown = nova.get(f"/os-quota-sets/{nova.project}/defaults")["quota_set"]
        assert (shown["instances"], shown["key_pairs"]) == (41, 3)
        assert nova.get("/limits")["limits"]["absolute"]["maxTotalKeypairs"] == 3
    finally:
        back = {name: value for name, value in before.items() if name != "id"}
        assert nova.call("PUT", path, {"quota_class_set": back}, user="admin").status_code == 200
    other = "/os-quota-class-sets/silver"
    nova.call("PUT", other, {"quota_class_set": {"ram": 1}}, user="admin")
    assert nova.get(other, user="admin")["quota_class_set"]["ram"] == 1
    assert nova.get(path, user="admin")["quota_class_set"] == before


def test_classes_are_shown_in_the_form_of_each_time(nova) -> None:
    path = "/os-quota-class-sets/default"
    shown = {
        version: set(nova.get(path, user="admin", version=version)["quota_class_set"])
        for version in ("2.1", "2.49", "2.50", "2.56", "2.57")
    }
    groups = {"server_groups", "server_group_members"}
    network = {"floating_ips", "fixed_ips", "security_groups", "security_group_rules"}
    injected = {"injected_files", "injected_file_content_bytes", "injected_file_path_bytes"}
    assert shown["2.1"] == shown["2.49"] and network | injected <= shown["2.1"]
    assert not groups & shown["2.1"]
    assert shown["2.50"] == shown["2.56"] == (shown["2.1"] - network) | groups
    assert shown["2.57"] == shown["2.50"] - injected
    body = {"quota_class_set": {"floating_ips": 1}}
    nova.refused(400, "PUT", path, body, user="admin", version="2.50")
    kept = nova.call("PUT", path, body, user="admin", version="2.49").json()
    assert kept["quota_class_set"]["floating_ips"] == 1
    body = {"quota_class_set": {"floating_ips": -1}}
    assert nova.call("PUT", path, body, user="admin", version="2.49").status_code == 200


def test_every_quota_holds(nova) -> None:
    key = {"keypair": {"name": "one-more"}}
    with quota(nova, key_pairs=0, metadata_items=1, cores=0, force=True):
        nova.refused(403, "POST", "/os-keypairs", key, version="2.10")
        body = nova.request(metadata={"a": "1", "b": "2"})
        assert nova.refused(403, "POST", "/servers", body) == (
            "Maximum number of metadata items exceeds 1"
        )
        assert "Quota exceeded for cores" in nova.refused(403, "POST", "/servers", nova.request())
    with quota(nova, f"?user_id={user_of(nova)}", key_pairs=0, force=True):
        nova.refused(403, "POST", "/os-keypairs", key, version="2.10")
    with quota(nova, ram=63, force=True):
        assert "Quota exceeded for ram" in nova.refused(403, "POST", "/servers", nova.request())
    with quota(nova, metadata_items=1):
        server_id = nova.launch(metadata={"a": "1"})
        path = f"/servers/{server_id}/metadata"
        nova.refused(403, "POST", path, {"metadata": {"b": "2"}})
        assert nova.call("POST", path, {"metadata": {"a": "3"}}).status_code == 200
        nova.delete(server_id)


def test_limits_of_other_projects_are_the_admins(nova) -> None:
    nova.refused(403, "GET", f"/limits?tenant_id={nova.project}", user="stranger")
    with quota(nova, instances=39):
        seen = nova.get(f"/limits?tenant_id={nova.project}", user="admin")["limits"]["absolute"]
        assert seen["maxTotalInstances"] == 39
        assert nova.get("/limits", user="admin")["limits"]["absolute"]["maxTotalInstances"] == 40
