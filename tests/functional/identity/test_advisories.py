"""Keystone's own history: each test is named after the advisory it keeps from happening here."""

import logging
import statistics
import time
from typing import Any

import pytest

from tests.functional.identity.server import PASSWORDS, Identity, in_project


def expiry(answer: Any) -> str:
    return str(answer.json()["token"]["expires_at"])


def test_cve_2012_3426_rescope_keeps_expiry(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = identity.authenticate("demo")
    now = time.time()
    monkeypatch.setattr("minova.companions.identity.login.time.time", lambda: now + 60)
    second = identity.rescope(first.headers["X-Subject-Token"], in_project("demo"))
    third = identity.rescope(second.headers["X-Subject-Token"])
    assert expiry(first) == expiry(second) == expiry(third)
    assert second.json()["token"]["issued_at"] > first.json()["token"]["issued_at"]


def test_cve_2012_5563_and_2026_44394_two_methods_do_not_extend_a_token(
    identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = identity.authenticate("demo")
    now = time.time()
    monkeypatch.setattr("minova.companions.identity.login.time.time", lambda: now + 60)
    named = {"name": "demo", "domain": {"id": "default"}, "password": PASSWORDS["demo"]}
    both = {
        "methods": ["password", "token"],
        "password": {"user": named},
        "token": {"id": first.headers["X-Subject-Token"]},
    }
    second = identity.call("POST", "/auth/tokens", json={"auth": {"identity": both}})
    assert second.status_code == 201
    assert expiry(first) == expiry(second)
    named["name"], named["password"] = "nova", PASSWORDS["nova"]
    mixed = identity.call("POST", "/auth/tokens", json={"auth": {"identity": both}})
    assert mixed.status_code == 401, "two methods that prove different users prove nobody"


def test_cve_2012_4413_a_removed_role_leaves_live_tokens(
    identity: Identity, admin: str, demo: str
) -> None:
    user, project = (identity.id_of(plural, "demo", admin) for plural in ("users", "projects"))
    grants = f"/projects/{project}/users/{user}/roles"
    admin_role, member = (identity.id_of("roles", name, admin) for name in ("admin", "member"))
    assert identity.call("PUT", f"{grants}/{admin_role}", admin).status_code == 204
    powerful = identity.token("demo", "demo")
    assert identity.call("GET", "/users", powerful).status_code == 200
    assert identity.call("DELETE", f"{grants}/{admin_role}", admin).status_code == 204
    assert identity.call("GET", "/users", powerful).status_code == 403
    assert identity.call("DELETE", f"{grants}/{member}", admin).status_code == 204
    assert identity.validate(powerful, admin).status_code == 404
    assert identity.call("GET", "/auth/projects", demo).status_code == 401


@pytest.mark.parametrize("how", ["disable", "delete"])
@pytest.mark.parametrize("what", ["users", "projects"])
def test_cve_2013_2059_a_removed_user_or_project_ends_live_tokens(
    identity: Identity, admin: str, demo: str, what: str, how: str
) -> None:
    path = f"/{what}/{identity.id_of(what, 'demo', admin)}"
    if how == "delete":
        assert identity.call("DELETE", path, admin).status_code == 204
    else:
        body = {what.removesuffix("s"): {"enabled": False}}
        assert identity.call("PATCH", path, admin, json=body).status_code == 200
    assert identity.validate(demo, admin).status_code == 404
    assert identity.call("GET", "/auth/projects", demo).status_code == 401
    assert identity.rescope(demo).status_code == 401
    assert identity.authenticate("demo", scope=in_project("demo")).status_code == 401


def test_cve_2013_2059_enabling_a_user_again_does_not_revive_his_tokens(
    identity: Identity, admin: str, demo: str
) -> None:
    path = f"/users/{identity.id_of('users', 'demo', admin)}"
    for enabled in (False, True):
        identity.call("PATCH", path, admin, json={"user": {"enabled": enabled}})
    assert identity.validate(demo, admin).status_code == 404
    assert identity.token("demo", "demo")


def test_cve_2015_7546_a_changed_password_ends_live_tokens_and_their_children(
    identity: Identity, admin: str
) -> None:
    unscoped = identity.token("demo")
    scoped = identity.rescope(unscoped, in_project("demo")).headers["X-Subject-Token"]
    user = identity.id_of("users", "demo", admin)
    body = {"user": {"password": "new", "original_password": PASSWORDS["demo"]}}
    assert identity.call("POST", f"/users/{user}/password", scoped, json=body).status_code == 204
    for token in (unscoped, scoped):
        assert identity.validate(token, admin).status_code == 404
        assert identity.rescope(token).status_code == 401
    wrong = identity.call("POST", f"/users/{user}/password", admin, json=body)
    assert wrong.status_code == 401, "the old password no longer counts"


def test_cve_2012_1572_and_2014_2828_passwords_and_logins_have_a_size_limit(
    identity: Identity, admin: str
) -> None:
    assert identity.authenticate("demo", "x" * 1025).status_code == 400
    assert identity.authenticate("demo", "x" * 200_000).status_code == 413
    user = {"user": {"name": "long", "password": "x" * 1025}}
    assert identity.call("POST", "/users", admin, json=user).status_code == 400
    many = {"methods": ["password"] * 5000, "password": {"user": {"id": "a", "password": "b"}}}
    answer = identity.call("POST", "/auth/tokens", json={"auth": {"identity": many}})
    assert answer.status_code == 400


def test_cve_2021_38155_a_login_tells_nothing_about_who_exists(
    identity: Identity, admin: str
) -> None:
    user = identity.id_of("users", "demo", admin)
    identity.call("PATCH", f"/users/{user}", admin, json={"user": {"enabled": False}})
    answers = [
        identity.authenticate("glance", "wrong"),
        identity.authenticate("nobody", "wrong"),
        identity.authenticate("demo", "wrong"),
        identity.authenticate("demo"),
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    for _ in range(20):
        assert identity.authenticate("glance", "wrong").status_code == 401
    assert identity.token("glance", "service"), "no lockout: nobody can be locked out by others"


def test_cve_2021_38155_an_unknown_user_takes_as_long_as_a_known_one() -> None:
    from minova.companions.identity.passwords import Passwords

    passwords = Passwords(8)
    stored = passwords.hash("right")

    def seconds(hashed: str | None) -> float:
        start = time.process_time()
        assert not passwords.matches("wrong", hashed)
        return time.process_time() - start

    known = statistics.median(seconds(stored) for _ in range(7))
    unknown = statistics.median(seconds(None) for _ in range(7))
    assert 0.5 < known / unknown < 2


def test_cve_2026_42999_a_body_or_query_does_not_become_the_policy_target(
    identity: Identity, admin: str, demo: str
) -> None:
    me = identity.call("GET", "/auth/tokens", demo, headers={"X-Subject-Token": demo}).json()
    my_id = me["token"]["user"]["id"]
    other = identity.id_of("users", "nova", admin)
    forged = {"target": {"user_id": my_id}, "user_id": my_id, "user": {"password": "x"}}
    query = f"?user_id={my_id}&target.user_id={my_id}"
    for method, path in (
        ("PATCH", f"/users/{other}"),
        ("GET", f"/users/{other}"),
        ("GET", f"/users/{other}/projects"),
        ("DELETE", f"/users/{other}"),
        ("GET", "/users"),
    ):
        answer = identity.call(method, path + query, demo, json=forged)
        assert answer.status_code in (403, 404), f"{method} {path}: {answer.text}"
    held = identity.call("GET", f"/role_assignments?user.id={other}&user_id={my_id}", demo)
    assert held.status_code == 403
    twice = f"/role_assignments?user.id={other}&user.id={my_id}"
    answer = identity.call("GET", twice, demo)
    shown = answer.json().get("role_assignments", [])
    assert {item["user"]["id"] for item in shown} <= {my_id}


def test_cve_2026_42998_a_member_creates_no_credential_for_others(
    identity: Identity, admin: str, demo: str
) -> None:
    user = identity.id_of("users", "admin", admin)
    for path in (f"/users/{user}/application_credentials", "/OS-TRUST/trusts", "/credentials"):
        assert identity.call("POST", path, demo, json={}).status_code == 404


def test_cve_2026_22797_identity_headers_make_nobody_an_admin(
    identity: Identity, demo: str
) -> None:
    forged = {
        "X-Roles": "admin",
        "X-User-Id": "admin",
        "X-Identity-Status": "Confirmed",
        "X-Is-Admin-Project": "True",
    }
    assert identity.call("GET", "/users", headers=dict(forged)).status_code == 401
    assert identity.call("GET", "/users", demo, headers=dict(forged)).status_code == 403


def test_cve_2026_49299_every_enforced_rule_is_defined(identity: Identity) -> None:
    import re
    from pathlib import Path

    from minova.companions import identity as package
    from minova.policies import identity as policies

    defined = {rule.name for rule in policies.list_rules()}
    sources = "".join(p.read_text() for p in Path(package.__path__[0]).glob("*.py"))
    plain = set(re.findall(r'"(identity:\w+)"', sources))
    assert plain and plain <= defined
    made = {f"identity:{verb}_{{self.{kind}}}" for verb, kind in (("list", "plural"),)}
    made |= {f"identity:{v}_{{self.member}}" for v in ("get", "create", "update", "delete")}
    assert set(re.findall(r'f"(identity:[^"]+)"', sources)) == made


@pytest.mark.parametrize("path", ["/users", "/projects/x", "/auth/tokens", "/no/such/path"])
def test_cve_2013_4179_xml_is_not_read(identity: Identity, admin: str, path: str) -> None:
    xml = '<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>'
    answer = identity.call(
        "POST", path, admin, data=xml, headers={"Content-Type": "application/xml"}
    )
    assert answer.status_code in (404, 405, 415)
    if path == "/users":
        assert answer.status_code == 415


def test_cve_2014_7230_no_token_and_no_password_reaches_the_log(
    identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        token = identity.token("demo", "demo")
        identity.authenticate("demo", "wrong-s3cret")
        identity.call("GET", "/auth/projects", token)
        identity.call("POST", "/users", token, json={"user": {"name": "", "password": "s3cret"}})
        identity.validate("gAAAA-broken", token)
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("minova", "oslo"))]
    text = "\n".join(ours)
    assert not any(secret in text for secret in (token, PASSWORDS["demo"], "s3cret", "gAAAA"))
