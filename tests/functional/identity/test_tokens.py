"""Getting, checking, rescoping and revoking tokens over HTTP."""

import time
from typing import Any

import pytest

from tests.functional.identity.server import PASSWORDS, Identity, in_project

REFUSED = "The request you have made requires authentication."


def assert_refused(answer: Any, message: str = REFUSED) -> None:
    assert answer.status_code == 401
    assert answer.json() == {"error": {"code": 401, "title": "Unauthorized", "message": message}}
    assert answer.headers["WWW-Authenticate"] == 'Keystone uri="http://identity.example:5000"'
    assert answer.headers["x-openstack-request-id"].startswith("req-")


def test_an_unscoped_token_leads_to_the_users_projects_roles_and_a_scoped_token(
    identity: Identity,
) -> None:
    answer = identity.authenticate("demo")
    assert answer.status_code == 201
    unscoped, body = answer.headers["X-Subject-Token"], answer.json()["token"]
    assert not {"project", "roles", "catalog"} & body.keys()
    assert body["methods"] == ["password"]

    projects = identity.call("GET", "/auth/projects", unscoped).json()["projects"]
    assert [project["name"] for project in projects] == ["demo"]
    mine = f"/role_assignments?user.id={body['user']['id']}&include_names&effective"
    held = identity.call("GET", mine, unscoped).json()["role_assignments"]
    assert sorted(item["role"]["name"] for item in held) == ["member", "reader"]
    assert {item["scope"]["project"]["id"] for item in held} == {projects[0]["id"]}

    scoped = identity.rescope(unscoped, {"project": {"id": projects[0]["id"]}})
    token = scoped.json()["token"]
    assert scoped.status_code == 201
    assert token["project"]["name"] == "demo"
    assert sorted(token["methods"]) == ["password", "token"]
    assert token["audit_ids"][1] == body["audit_ids"][0]
    again = identity.rescope(scoped.headers["X-Subject-Token"], in_project("demo")).json()
    assert again["token"]["audit_ids"][1] == body["audit_ids"][0], "the chain keeps its first id"


@pytest.mark.parametrize("scope", ["unscoped", {"unscoped": {}}])
def test_a_default_project_is_the_scope_unless_another_is_asked_for(
    identity: Identity, admin: str, scope: Any
) -> None:
    user = identity.id_of("users", "demo", admin)
    project = identity.id_of("projects", "demo", admin)
    identity.call("PATCH", f"/users/{user}", admin, json={"user": {"default_project_id": project}})
    assert identity.authenticate("demo").json()["token"]["project"]["id"] == project
    assert "project" not in identity.authenticate("demo", scope=scope).json()["token"]


def test_a_default_project_without_a_role_gives_an_unscoped_token(
    identity: Identity, admin: str
) -> None:
    user = identity.id_of("users", "demo", admin)
    project = identity.id_of("projects", "admin", admin)
    identity.call("PATCH", f"/users/{user}", admin, json={"user": {"default_project_id": project}})
    assert "project" not in identity.authenticate("demo").json()["token"]


def test_domain_and_system_scope(identity: Identity, admin: str) -> None:
    token = identity.authenticate("admin", scope={"system": {"all": True}})
    assert token.json()["token"]["system"] == {"all": True}
    assert token.json()["token"]["catalog"]
    system = token.headers["X-Subject-Token"]
    assert identity.call("GET", "/auth/system", system).json()["system"] == [{"all": True}]
    assert identity.call("GET", "/users", system).status_code == 200

    assert_refused(identity.authenticate("admin", scope={"domain": {"id": "default"}}))
    user, role = identity.id_of("users", "admin", admin), identity.id_of("roles", "admin", admin)
    grant = f"/domains/default/users/{user}/roles/{role}"
    assert identity.call("PUT", grant, admin).status_code == 204
    token = identity.authenticate("admin", scope={"domain": {"name": "Default"}})
    assert token.json()["token"]["domain"] == {"id": "default", "name": "Default"}
    urls = [e["url"] for s in token.json()["token"]["catalog"] for e in s["endpoints"]]
    assert urls and not any("project_id" in url for url in urls)
    domain = token.headers["X-Subject-Token"]
    assert [d["id"] for d in identity.call("GET", "/auth/domains", domain).json()["domains"]] == [
        "default"
    ]
    assert_refused(identity.authenticate("demo", scope={"system": {"all": True}}))


def test_validation_tells_what_the_token_says(identity: Identity) -> None:
    answer = identity.authenticate("demo", scope=in_project("demo"))
    token = answer.headers["X-Subject-Token"]
    nova = identity.token("nova", "service")
    seen = identity.validate(token, nova)
    assert seen.status_code == 200
    assert seen.headers["X-Subject-Token"] == token
    assert seen.json() == answer.json()
    assert "catalog" not in identity.validate(token, nova, "?nocatalog").json()["token"]
    head = identity.call("HEAD", "/auth/tokens", nova, headers={"X-Subject-Token": token})
    assert head.status_code == 200
    assert identity.validate(token, token).status_code == 200, "everybody may check his own"
    assert identity.validate(nova, token).status_code == 403, "but not that of others"
    assert identity.validate("nonsense", nova).status_code == 404
    assert identity.call("GET", "/auth/tokens", nova).status_code == 400


def test_a_revoked_token_is_dead_and_others_of_its_user_live(identity: Identity) -> None:
    token, other = identity.token("demo", "demo"), identity.token("demo", "demo")
    subject = {"X-Subject-Token": token}
    assert identity.call("DELETE", "/auth/tokens", token, headers=subject).status_code == 204
    assert_refused(identity.call("GET", "/auth/projects", token))
    nova = identity.token("nova", "service")
    assert identity.validate(token, nova).status_code == 404
    assert identity.call("DELETE", "/auth/tokens", nova, headers=subject).status_code == 404
    assert_refused(identity.rescope(token))
    assert identity.call("GET", "/auth/projects", other).status_code == 200


def test_a_token_ends_at_its_time(identity: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    token = identity.token("demo", "demo")
    now = time.time()
    monkeypatch.setattr("minova.companions.identity.validation.time.time", lambda: now + 4 * 3600)
    assert_refused(identity.call("GET", "/auth/projects", token))
    assert_refused(identity.rescope(token))
    monkeypatch.setattr("minova.companions.identity.login.time.time", lambda: now + 4 * 3600)
    nova = identity.token("nova", "service")
    assert identity.validate(token, nova).status_code == 404
    late = identity.validate(token, nova, "?allow_expired=1")
    assert late.status_code == 200, "a service finishes work that outlives the token"
    demo = identity.token("demo", "demo")
    assert identity.validate(token, demo, "?allow_expired=1").status_code == 404


@pytest.mark.parametrize(
    ("user", "password", "scope"),
    [
        ("demo", "wrong", None),
        ("demo", "", None),
        ("nobody", "wrong", None),
        ("demo", None, in_project("admin")),
        ("demo", None, in_project("no-such-project")),
        ("demo", None, {"project": {"id": "no-such-project"}}),
        ("demo", None, {"domain": {"name": "no-such-domain"}}),
    ],
)
def test_every_refused_login_reads_the_same(
    identity: Identity, user: str, password: str | None, scope: Any
) -> None:
    assert_refused(identity.authenticate(user, password, scope))


def test_an_unknown_method_is_named(identity: Identity) -> None:
    answer = identity.call(
        "POST", "/auth/tokens", json={"auth": {"identity": {"methods": ["totp"], "totp": {}}}}
    )
    assert_refused(answer, "Attempted to authenticate with an unsupported method.")


def test_a_stale_token_in_the_header_does_not_hinder_a_login(identity: Identity) -> None:
    named = {"name": "demo", "domain": {"name": "Default"}, "password": PASSWORDS["demo"]}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": named}}}}
    assert identity.call("POST", "/auth/tokens", "stale", json=body).status_code == 201


def test_tokens_live_through_a_rotation_of_the_keys_until_theirs_is_dropped(
    identity: Identity,
) -> None:
    from minova.companions.identity import keys

    token = identity.token("demo", "demo")
    keys.rotate(identity.repository, 3)
    assert identity.call("GET", "/auth/projects", token).status_code == 200
    assert identity.token("demo") != token
    keys.rotate(identity.repository, 3)
    assert_refused(identity.call("GET", "/auth/projects", token))
    assert identity.call("GET", "/auth/projects", identity.token("demo")).status_code == 200


def test_discovery_needs_no_token_and_honours_the_proxy(identity: Identity) -> None:
    root = identity.url.removesuffix("/v3")
    versions = identity.session.get(root + "/", allow_redirects=False, timeout=10)
    assert versions.status_code == 300
    assert versions.headers["Location"] == f"{root}/v3/"
    (value,) = versions.json()["versions"]["values"]
    assert value["status"] == "stable"
    assert value["links"] == [{"rel": "self", "href": f"{root}/v3/"}]
    for path in ("", "/"):
        version = identity.call("GET", path)
        assert version.status_code == 200
        assert version.json()["version"] == value
    proxied = identity.call(
        "GET", "", headers={"X-Forwarded-Proto": "https", "X-Forwarded-Host": "cloud.example"}
    )
    assert proxied.json()["version"]["links"][0]["href"] == "https://cloud.example/v3/"


def test_the_catalog_follows_a_change_at_once(identity: Identity, admin: str, demo: str) -> None:
    catalog = identity.call("GET", "/auth/catalog", demo).json()["catalog"]
    compute = next(entry for entry in catalog if entry["type"] == "compute")
    for endpoint in compute["endpoints"]:
        body = {"endpoint": {"url": "http://elsewhere/%(tenant_id)s/$(user_id)s"}}
        path = f"/endpoints/{endpoint['id']}"
        assert identity.call("PATCH", path, admin, json=body).status_code == 200
    token = identity.validate(demo, demo).json()["token"]
    compute = next(entry for entry in token["catalog"] if entry["type"] == "compute")
    url = f"http://elsewhere/{token['project']['id']}/{token['user']['id']}"
    assert {endpoint["url"] for endpoint in compute["endpoints"]} == {url}
    unscoped = identity.token("demo")
    assert identity.call("GET", "/auth/catalog", unscoped).status_code == 403
