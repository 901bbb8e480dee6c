"""Server groups as their users see them, at the versions that changed them."""

import uuid

import pytest

NOBODY = str(uuid.uuid4())
PATH = "/os-server-groups"


def make(nova, policy="anti-affinity", **values):
    body = {"server_group": {"name": "g", "policy": policy, **values}}
    answer = nova.call("POST", PATH, body)
    assert answer.status_code == 200, answer.text
    return answer.json()["server_group"]


def remove(nova, *groups) -> None:
    for group in groups:
        assert nova.call("DELETE", f"{PATH}/{group['id']}").status_code == 204


def in_group(nova, group) -> dict:
    return {**nova.request(), "os:scheduler_hints": {"group": group["id"]}}


def test_a_group_is_shown_in_the_form_of_each_time(nova) -> None:
    old = {"server_group": {"name": "g", "policies": ["affinity"]}}
    made = nova.call("POST", PATH, old, version="2.1").json()["server_group"]
    path = f"{PATH}/{made['id']}"
    base = {"id": made["id"], "name": "g", "members": []}
    before = {**base, "policies": ["affinity"], "metadata": {}}
    assert made == before == nova.get(path, version="2.12")["server_group"]
    owner = nova.get(path, version="2.13")["server_group"]
    assert owner == {**before, "project_id": nova.project, "user_id": owner["user_id"]}
    new = nova.get(path, version="2.64")["server_group"]
    assert set(new) == {*base, "policy", "rules", "project_id", "user_id"}
    assert (new["policy"], new["rules"]) == ("affinity", {})
    assert new in nova.get(PATH)["server_groups"]
    remove(nova, made)
    nova.refused(404, "GET", path)
    nova.refused(404, "DELETE", path)


@pytest.mark.parametrize(
    ("version", "wanted"),
    [
        ("2.14", {"name": "g", "policies": ["soft-affinity"]}),
        ("2.63", {"name": "g", "policies": []}),
        ("2.63", {"name": "g", "policies": ["affinity", "anti-affinity"]}),
        ("2.63", {"name": "g", "policy": "affinity"}),
        ("2.64", {"name": "g", "policies": ["affinity"]}),
        ("2.64", {"name": "g", "policy": "affinity", "rules": {"max_server_per_host": 2}}),
        ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"max_server_per_host": 0}}),
        ("2.64", {"name": "g", "policy": "anti-affinity", "rules": {"other": 1}}),
        ("2.64", {"name": "", "policy": "affinity"}),
        ("2.64", {"name": "g" * 256, "policy": "affinity"}),
        ("2.64", {"policy": "affinity"}),
        ("2.64", {"name": "g", "policy": "legacy"}),
        ("2.64", {"name": "g", "policy": "affinity", "other": 1}),
    ],
)
def test_a_senseless_group_is_refused(nova, version, wanted) -> None:
    nova.refused(400, "POST", PATH, {"server_group": wanted}, version=version)


def test_foreign_groups_do_not_exist(nova) -> None:
    group = make(nova)
    path = f"{PATH}/{group['id']}"
    nova.refused(404, "GET", path, user="stranger")
    nova.refused(404, "DELETE", path, user="stranger")
    nova.refused(403, "DELETE", path, user="reader")
    message = nova.refused(400, "POST", "/servers", in_group(nova, group), user="stranger")
    assert message == f"Instance group {group['id']} could not be found."
    assert nova.get(f"{PATH}?all_projects=1", user="stranger")["server_groups"] == []
    assert nova.get(PATH, user="admin")["server_groups"] == []
    shown = nova.get(f"{PATH}?all_projects=True", user="admin")["server_groups"]
    assert group["id"] in [entry["id"] for entry in shown]
    remove(nova, group)


def test_groups_come_in_pages(nova) -> None:
    groups = [make(nova) for _ in range(3)]
    listed = [group["id"] for group in nova.get(PATH)["server_groups"]]
    assert listed == [group["id"] for group in groups]
    page = nova.get(f"{PATH}?limit=1&offset=1")["server_groups"]
    assert [group["id"] for group in page] == listed[1:2]
    assert nova.get(f"{PATH}?offset=9")["server_groups"] == []
    nova.refused(400, "GET", f"{PATH}?limit=-1")
    nova.refused(400, "GET", f"{PATH}?offset=x")
    remove(nova, *groups)


def test_a_launch_into_a_group_obeys_its_policy_on_the_one_host(nova) -> None:
    apart = make(nova)
    first = nova.launch_body(in_group(nova, apart))
    assert nova.get(f"{PATH}/{apart['id']}")["server_group"]["members"] == [first]
    shown = nova.get(f"/servers/{first}", version="2.71")["server"]
    assert shown["server_groups"] == [apart["id"]]
    assert "server_groups" not in nova.get(f"/servers/{first}", version="2.70")["server"]
    assert "server_groups" not in nova.get("/servers/detail")["servers"][0]
    second = nova.call("POST", "/servers", in_group(nova, apart)).json()["server"]["id"]
    failed = nova.settled(second)
    assert failed["status"] == "ERROR"
    assert "ServerGroupAntiAffinityFilter" in failed["fault"]["message"]
    nova.delete(first, second)
    assert nova.get(f"{PATH}/{apart['id']}")["server_group"]["members"] == []
    # The place of the one that is gone is free again.
    third = nova.launch_body(in_group(nova, apart))
    remove(nova, apart)
    assert nova.get(f"/servers/{third}")["server"]["server_groups"] == []
    nova.delete(third)


def test_a_group_with_rules_takes_that_many_on_a_host(nova) -> None:
    group = make(nova, rules={"max_server_per_host": 2})
    assert group["rules"] == {"max_server_per_host": 2}
    two = [nova.launch_body(in_group(nova, group)) for _ in range(2)]
    third = nova.call("POST", "/servers", in_group(nova, group)).json()["server"]["id"]
    assert nova.settled(third)["status"] == "ERROR"
    nova.delete(*two, third)
    remove(nova, group)


def test_the_quota_of_groups_and_of_their_members_holds(nova) -> None:
    path = f"/os-quota-sets/{nova.project}"
    wanted = {"quota_set": {"server_groups": 1, "server_group_members": 1}}
    assert nova.call("PUT", path, wanted, user="admin").status_code == 200
    group = make(nova, "affinity")
    message = nova.refused(403, "POST", PATH, {"server_group": {"name": "g", "policy": "affinity"}})
    assert message == "Quota exceeded, too many server groups."
    used = nova.get("/limits")["limits"]["absolute"]
    assert (used["maxServerGroups"], used["totalServerGroupsUsed"]) == (1, 1)
    detail = nova.get(f"{path}/detail")["quota_set"]
    assert detail["server_groups"] == {"limit": 1, "in_use": 1, "reserved": 0}
    server = nova.launch_body(in_group(nova, group))
    message = nova.refused(403, "POST", "/servers", in_group(nova, group))
    assert message == "Quota exceeded, too many servers in group"
    nova.delete(server)
    remove(nova, group)
    assert nova.call("DELETE", path, user="admin").status_code == 202
