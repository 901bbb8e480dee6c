"""Projects, users, roles, grants and the catalog's parts over HTTP."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.functional.identity.server import Identity


def create(identity: Identity, admin: str, member: str, **values: Any) -> dict[str, Any]:
    answer = identity.call("POST", f"/{member}s", admin, json={member: values})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()[member]
    return made


@pytest.mark.parametrize(
    ("member", "values", "change"),
    [
        ("domain", {"name": "d"}, {"description": "new"}),
        ("project", {"name": "p", "description": None}, {"name": "p'"}),
        ("user", {"name": "u", "password": "x"}, {"email": "u@example.org"}),
        ("role", {"name": "r"}, {"name": "r'"}),
        ("region", {"id": "r"}, {"description": "new"}),
        ("service", {"type": "t", "name": "s"}, {"enabled": False}),
    ],
)
def test_what_is_created_can_be_shown_changed_listed_and_deleted(
    identity: Identity, admin: str, member: str, values: dict[str, Any], change: dict[str, Any]
) -> None:
    made = create(identity, admin, member, **values, colour="blue")
    path = f"/{member}s/{made['id']}"
    assert made["links"]["self"] == identity.url + path
    assert made["colour"] == "blue", "attributes of the client's own are kept"
    assert "password" not in made
    assert identity.call("GET", path, admin).json()[member] == made
    assert identity.call("HEAD", path, admin).status_code == 200
    changed = identity.call("PATCH", path, admin, json={member: change})
    assert changed.status_code == 200
    assert changed.json()[member] == {**made, **change}
    listed = identity.call("GET", f"/{member}s", admin).json()
    assert changed.json()[member] in listed[f"{member}s"]
    assert listed["links"] == {"next": None, "previous": None, "self": f"{identity.url}/{member}s"}
    if member == "domain":
        assert identity.call("DELETE", path, admin).status_code == 403
        identity.call("PATCH", path, admin, json={"domain": {"enabled": False}})
    assert identity.call("DELETE", path, admin).status_code == 204
    for method in ("GET", "PATCH", "DELETE"):
        gone = identity.call(method, path, admin, json={member: {}})
        assert gone.status_code == 404
        assert gone.json()["error"]["title"] == "Not Found"
        assert made["id"] in gone.json()["error"]["message"]


@pytest.mark.parametrize("member", ["project", "user", "role", "domain"])
def test_a_taken_name_is_a_conflict(identity: Identity, admin: str, member: str) -> None:
    create(identity, admin, member, name="twice")
    answer = identity.call("POST", f"/{member}s", admin, json={member: {"name": "twice"}})
    assert answer.status_code == 409
    assert answer.json()["error"]["title"] == "Conflict"


def test_the_same_name_is_free_in_another_domain(identity: Identity, admin: str) -> None:
    domain = create(identity, admin, "domain", name="other")
    project = create(identity, admin, "project", name="demo", domain_id=domain["id"])
    user = create(
        identity, admin, "user", name="demo", domain_id=domain["id"], password="elsewhere"
    )
    role = identity.id_of("roles", "member", admin)
    grant = f"/projects/{project['id']}/users/{user['id']}/roles/{role}"
    assert identity.call("PUT", grant, admin).status_code == 204
    named = {"name": "demo", "domain": {"name": "other"}, "password": "elsewhere"}
    body = {"identity": {"methods": ["password"], "password": {"user": named}}}
    scope = {"project": {"name": "demo", "domain": {"name": "other"}}}
    answer = identity.call("POST", "/auth/tokens", json={"auth": {**body, "scope": scope}})
    assert answer.json()["token"]["project"]["id"] == project["id"]
    query = f"/users?name=demo&domain_id={domain['id']}"
    assert len(identity.call("GET", query, admin).json()["users"]) == 1

    token = answer.headers["X-Subject-Token"]
    path = f"/domains/{domain['id']}"
    assert identity.call("GET", path, token).status_code == 200, "his own domain he may see"
    identity.call("PATCH", path, admin, json={"domain": {"enabled": False}})
    assert identity.validate(token, admin).status_code == 404
    assert identity.call("DELETE", path, admin).status_code == 204
    for gone in (f"/users/{user['id']}", f"/projects/{project['id']}"):
        assert identity.call("GET", gone, admin).status_code == 404


def test_a_project_with_children_cannot_be_deleted(identity: Identity, admin: str) -> None:
    parent = create(identity, admin, "project", name="parent")
    child = create(identity, admin, "project", name="child", parent_id=parent["id"])
    assert child["domain_id"] == "default"
    path = f"/projects?parent_id={parent['id']}"
    assert [p["name"] for p in identity.call("GET", path, admin).json()["projects"]] == ["child"]
    assert identity.call("DELETE", f"/projects/{parent['id']}", admin).status_code == 403
    assert identity.call("DELETE", f"/projects/{child['id']}", admin).status_code == 204
    assert identity.call("DELETE", f"/projects/{parent['id']}", admin).status_code == 204


def test_grants_are_given_checked_listed_and_taken(identity: Identity, admin: str) -> None:
    project = create(identity, admin, "project", name="p")["id"]
    user = create(identity, admin, "user", name="u")["id"]
    role = identity.id_of("roles", "reader", admin)
    for target in (f"projects/{project}", "domains/default", "system"):
        base = f"/{target}/users/{user}/roles"
        one = f"{base}/{role}"
        assert identity.call("HEAD", one, admin).status_code == 404
        for _ in range(2):
            assert identity.call("PUT", one, admin).status_code == 204
        assert identity.call("HEAD", one, admin).status_code == 204
        assert identity.call("GET", one, admin).status_code == 204
        roles = identity.call("GET", base, admin).json()["roles"]
        assert [held["name"] for held in roles] == ["reader"]
    held = identity.call("GET", f"/role_assignments?user.id={user}", admin).json()
    assert [next(iter(item["scope"])) for item in held["role_assignments"]] == [
        "domain",
        "project",
        "system",
    ]
    for query in (f"scope.project.id={project}", "scope.system=all", "scope.domain.id=default"):
        listed = identity.call("GET", f"/role_assignments?user.id={user}&{query}", admin).json()
        assert len(listed["role_assignments"]) == 1
    for target in (f"projects/{project}", "domains/default", "system"):
        one = f"/{target}/users/{user}/roles/{role}"
        assert identity.call("DELETE", one, admin).status_code == 204
        assert identity.call("DELETE", one, admin).status_code == 404


@pytest.mark.parametrize("missing", ["projects", "users", "roles"])
def test_a_grant_needs_all_three_to_exist(identity: Identity, admin: str, missing: str) -> None:
    ids = {
        "projects": identity.id_of("projects", "demo", admin),
        "users": identity.id_of("users", "demo", admin),
        "roles": identity.id_of("roles", "reader", admin),
    }
    ids[missing] = "nowhere"
    path = "/projects/{projects}/users/{users}/roles/{roles}".format(**ids)
    answer = identity.call("PUT", path, admin)
    assert answer.status_code == 404
    assert f"Could not find {missing[:-1]}: nowhere" in answer.json()["error"]["message"]


def test_a_role_brings_the_roles_it_implies(identity: Identity, admin: str, demo: str) -> None:
    auditor = create(identity, admin, "role", name="auditor")["id"]
    reader = identity.id_of("roles", "reader", admin)
    one = f"/roles/{reader}/implies/{auditor}"
    assert identity.call("PUT", one, admin).status_code == 201
    assert identity.call("PUT", one, admin).status_code == 201
    assert identity.call("HEAD", one, admin).status_code == 204
    roles = identity.validate(demo, demo).json()["token"]["roles"]
    assert {role["name"] for role in roles} == {"auditor", "member", "reader"}
    inferences = identity.call("GET", "/role_inferences", admin).json()["role_inferences"]
    assert [i["name"] for i in inferences[0]["implies"]]
    assert len(inferences) == 4
    listed = identity.call("GET", f"/roles/{reader}/implies", admin).json()["role_inference"]
    assert [role["name"] for role in listed["implies"]] == ["auditor"]
    # A circle brings everything in it, once.
    assert identity.call("PUT", f"/roles/{auditor}/implies/{reader}", admin).status_code == 201
    assert len(identity.validate(demo, demo).json()["token"]["roles"]) == 3
    assert identity.call("DELETE", one, admin).status_code == 204
    assert identity.call("DELETE", one, admin).status_code == 404
    assert identity.call("DELETE", f"/roles/{auditor}", admin).status_code == 204
    assert len(identity.validate(demo, demo).json()["token"]["roles"]) == 2


def test_a_member_sees_only_what_is_his(identity: Identity, admin: str, demo: str) -> None:
    own_user, own_project = (identity.id_of(p, "demo", admin) for p in ("users", "projects"))
    foreign_user, foreign_project = (
        identity.id_of(p, "admin", admin) for p in ("users", "projects")
    )
    assert identity.call("GET", f"/users/{own_user}", demo).status_code == 200
    assert identity.call("GET", f"/projects/{own_project}", demo).status_code == 200
    for foreign in (f"/users/{foreign_user}", f"/projects/{foreign_project}"):
        hidden, unknown = (
            identity.call("GET", foreign, demo),
            identity.call("GET", "/users/x", demo),
        )
        assert hidden.status_code == unknown.status_code == 404
    for path in ("/users", "/projects", "/roles", "/services", "/endpoints", "/role_assignments"):
        assert identity.call("GET", path, demo).status_code == 403
        assert identity.call("POST", path, demo, json={}).status_code in (403, 405)


def test_endpoints_need_a_service_a_region_and_a_url_that_can_be_filled(
    identity: Identity, admin: str
) -> None:
    service = create(identity, admin, "service", type="t", name="n")["id"]
    good = {
        "service_id": service,
        "interface": "public",
        "region_id": "RegionOne",
        "url": "https://example.org/$(tenant_id)s",
    }
    made = create(identity, admin, "endpoint", **good)
    assert made["region"] == made["region_id"] == "RegionOne"
    for wrong in (
        {"service_id": "nowhere"},
        {"region_id": "nowhere"},
        {"interface": "private"},
        {"url": "javascript:alert(1)"},
        {"url": "http://example.org/%(password)s"},
    ):
        answer = identity.call("POST", "/endpoints", admin, json={"endpoint": {**good, **wrong}})
        assert answer.status_code == 400, wrong
    old = {k: v for k, v in good.items() if k != "region_id"}
    assert create(identity, admin, "endpoint", **old, region="New")["region_id"] == "New"
    assert identity.call("GET", "/regions/New", admin).status_code == 200
    assert identity.call("DELETE", "/regions/RegionOne", admin).status_code == 403
    query = f"/endpoints?service_id={service}"
    assert len(identity.call("GET", query, admin).json()["endpoints"]) == 2
    assert identity.call("DELETE", f"/services/{service}", admin).status_code == 204
    assert identity.call("GET", f"/endpoints/{made['id']}", admin).status_code == 404


def test_a_user_and_a_project_need_a_domain_that_exists(identity: Identity, admin: str) -> None:
    for member, status in (("user", 404), ("project", 400)):
        body = {member: {"name": "n", "domain_id": "nowhere"}}
        answer = identity.call("POST", f"/{member}s", admin, json=body)
        assert answer.status_code == status
        assert answer.json()["error"]["message"] == "Could not find domain: nowhere."


def test_there_are_no_groups(identity: Identity, admin: str) -> None:
    user = identity.id_of("users", "demo", admin)
    assert identity.call("GET", "/groups", admin).json()["groups"] == []
    assert identity.call("GET", f"/users/{user}/groups", admin).json()["groups"] == []
    assert identity.call("GET", "/groups/x", admin).status_code == 404


def test_many_can_create_and_delete_at_once(identity: Identity, admin: str) -> None:
    role = identity.id_of("roles", "member", admin)

    def life(number: int) -> list[int]:
        project = create(identity, admin, "project", name=f"p{number}")["id"]
        user = create(identity, admin, "user", name=f"u{number}", password="x")["id"]
        grant = f"/projects/{project}/users/{user}/roles/{role}"
        calls = [("PUT", grant), ("DELETE", f"/projects/{project}"), ("DELETE", f"/users/{user}")]
        return [identity.call(method, path, admin).status_code for method, path in calls]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(life, range(24))) == [[204, 204, 204]] * 24
    left = identity.call("GET", "/users", admin).json()["users"]
    assert len(left) == 6
