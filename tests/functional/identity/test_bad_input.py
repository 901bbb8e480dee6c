"""What a client gets for a request that makes no sense: a 4xx that says why, never a 500."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.identity.server import Identity, running


@pytest.fixture(scope="module")
def identity(bootstrapped: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Identity]:
    """One service for all of them: nothing here may break it for the next."""
    with running(bootstrapped, tmp_path_factory.mktemp("odd") / "identity") as identity:
        yield identity


@pytest.fixture(scope="module")
def admin(identity: Identity) -> str:
    return identity.token("admin", "admin")


ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    10**40,
    1.5,
    "",
    " ",
    "x" * 300,
    "\0",
    "\ud800",
    "a\nb",
    "'; DROP TABLE users; --",
    [],
    [{}],
    {},
    {"a": {"b": {}}},
]


@pytest.mark.parametrize(
    ("path", "member", "field"),
    [
        ("/projects", "project", "name"),
        ("/projects", "project", "description"),
        ("/projects", "project", "enabled"),
        ("/projects", "project", "domain_id"),
        ("/projects", "project", "parent_id"),
        ("/projects", "project", "tags"),
        ("/projects", "project", "options"),
        ("/projects", "project", "own"),
        ("/users", "user", "name"),
        ("/users", "user", "password"),
        ("/users", "user", "email"),
        ("/users", "user", "default_project_id"),
        ("/roles", "role", "name"),
        ("/roles", "role", "description"),
        ("/domains", "domain", "name"),
        ("/regions", "region", "id"),
        ("/regions", "region", "parent_region_id"),
        ("/services", "service", "type"),
        ("/services", "service", "enabled"),
        ("/endpoints", "endpoint", "url"),
        ("/endpoints", "endpoint", "service_id"),
        ("/endpoints", "endpoint", "interface"),
    ],
)
def test_odd_values_are_refused_or_stored_but_never_break(
    identity: Identity, admin: str, path: str, member: str, field: str
) -> None:
    for number, odd in enumerate(ODD):
        values: dict[str, Any] = {"name": f"n{number}"}
        if member == "service":
            values["type"] = "t"
        if member == "endpoint":
            service = identity.call("GET", "/services", admin).json()["services"][0]["id"]
            values |= {"service_id": service, "interface": "public", "url": "http://x"}
        values[field] = odd
        answer = identity.call("POST", path, admin, data=json.dumps({member: values}))
        assert answer.status_code in (201, 400, 404, 409), f"{field}={odd!r}: {answer.text}"
        if answer.status_code >= 400:
            error = answer.json()["error"]
            assert error["code"] == answer.status_code
            assert error["message"].endswith(".")
        assert identity.call("GET", path, admin).status_code == 200


@pytest.mark.parametrize("odd", ODD)
def test_odd_logins_are_refused(identity: Identity, odd: Any) -> None:
    good = {"name": "demo", "domain": {"id": "default"}, "password": "x"}
    identities: list[Any] = [
        odd,
        {"methods": odd},
        {"methods": [odd]},
        {"methods": ["password"]},
        {"methods": ["password"], "password": odd},
        {"methods": ["password"], "password": {"user": odd}},
        *(
            {"methods": ["password"], "password": {"user": {**good, key: odd}}}
            for key in ("name", "domain", "password", "id")
        ),
        {"methods": ["token"], "token": odd},
        {"methods": ["token"], "token": {"id": odd}},
    ]
    bodies = [odd, {"auth": odd}, *({"auth": {"identity": one}} for one in identities)]
    for body in bodies:
        answer = identity.call("POST", "/auth/tokens", data=json.dumps(body))
        assert answer.status_code in (400, 401), f"{body!r}: {answer.text}"
        assert answer.json()["error"]["code"] == answer.status_code


@pytest.mark.parametrize("odd", ODD)
def test_odd_scopes_are_refused(identity: Identity, odd: Any) -> None:
    for scope in (
        odd,
        {"project": odd},
        {"project": {"id": odd}},
        {"project": {"name": odd, "domain": {"id": "default"}}},
        {"project": {"name": "demo", "domain": odd}},
        {"project": {"name": "demo"}},
        {"domain": odd},
        {"system": odd},
        {"project": {"id": "x"}, "domain": {"id": "y"}},
        {"OS-TRUST:trust": {"id": "x"}},
    ):
        if scope is None:
            continue
        named = {"name": "demo", "domain": {"id": "default"}, "password": "demo-password"}
        body = {"identity": {"methods": ["password"], "password": {"user": named}}}
        text = json.dumps({"auth": {**body, "scope": scope}})
        answer = identity.call("POST", "/auth/tokens", data=text)
        assert answer.status_code in (400, 401), f"{scope!r}: {answer.text}"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '"x"', "NaN", '{"user": NaN}', "1" * 5000, "[" * 50_000]
)
def test_a_body_that_is_no_object_is_refused(identity: Identity, admin: str, text: str) -> None:
    for path in ("/users", "/auth/tokens"):
        answer = identity.call("POST", path, admin, data=text)
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["title"] == "Bad Request"


@pytest.mark.parametrize(
    "odd", ["x" * 300, "%00", "%ff%fe", "..%2f..%2fetc", "a%20b", "%F0%9F%92%A9", "'", "*", "%2500"]
)
def test_odd_ids_and_filters_find_nothing(identity: Identity, admin: str, odd: str) -> None:
    for path in (
        f"/users/{odd}",
        f"/projects/{odd}",
        f"/regions/{odd}",
        f"/users/{odd}/projects",
        f"/roles/{odd}/implies/{odd}",
        f"/projects/{odd}/users/{odd}/roles/{odd}",
        f"/groups/{odd}",
    ):
        assert identity.call("GET", path, admin).status_code == 404, path
    for path in ("/users", "/projects", "/roles", "/services", "/domains"):
        answer = identity.call("GET", f"{path}?name={odd}", admin)
        assert answer.status_code == 200
        assert answer.json()[path[1:]] == []
    for query in ("user.id", "role.id", "scope.project.id", "scope.domain.id", "group.id"):
        answer = identity.call("GET", f"/role_assignments?{query}={odd}", admin)
        assert answer.status_code == 200
        assert answer.json()["role_assignments"] == []


@pytest.mark.parametrize("token", ["x", "gAAAAA", "é", "x" * 5000, "gAAAAABm" + "A" * 200, "===="])
def test_odd_tokens_are_refused(identity: Identity, admin: str, token: str) -> None:
    header = token.encode()
    assert identity.call("GET", "/users", headers={"X-Auth-Token": header}).status_code == 401
    subject = {"X-Subject-Token": header}
    assert identity.call("GET", "/auth/tokens", admin, headers=subject).status_code == 404
    assert identity.call("DELETE", "/auth/tokens", admin, headers=subject).status_code == 404


def test_unknown_places_and_methods(identity: Identity, admin: str) -> None:
    unknown = identity.call("GET", "/nowhere", admin)
    assert unknown.status_code == 404
    assert unknown.json()["error"]["title"] == "Not Found"
    wrong = identity.call("PUT", "/users", admin)
    assert wrong.status_code == 405
    assert wrong.json()["error"]["code"] == 405


def test_an_error_names_the_field_and_never_shows_a_password(
    identity: Identity, admin: str
) -> None:
    long = {"user": {"name": "u", "password": "s3cret" * 500}}
    answer = identity.call("POST", "/users", admin, json=long)
    assert answer.status_code == 400
    message = answer.json()["error"]["message"]
    assert message == (
        "Invalid input for field 'user.password': it must have at most 1024 characters. "
        "Correct it and try again."
    )
    answer = identity.call("POST", "/users", admin, json={"user": {"password": ["s3cret"]}})
    assert "s3cret" not in answer.text
    missing = identity.call("POST", "/projects", admin, json={"project": {}})
    assert "'name' is a required property" in missing.json()["error"]["message"]
