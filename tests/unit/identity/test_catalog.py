"""Filling in URLs and expanding roles."""

from minova.companions.identity.catalog import Snapshot, unknown_placeholders
from minova.companions.identity.tokens import DOMAIN, PROJECT, Scope


def snapshot(*urls: str) -> Snapshot:
    endpoints = [{"id": str(n), "url": url} for n, url in enumerate(urls)]
    services = ({"id": "s", "type": "t", "name": "n", "endpoints": endpoints},)
    implied = {"a": frozenset("abc"), "b": frozenset("bc"), "c": frozenset("c")}
    return Snapshot(1, services, {"a": "admin", "b": "member", "c": "reader"}, implied)


def urls(shot: Snapshot, scope: Scope) -> list[str]:
    return [endpoint["url"] for endpoint in shot.catalog("U", scope)[0]["endpoints"]]


def test_project_urls_are_filled_and_left_out_where_there_is_no_project() -> None:
    shot = snapshot("http://a/%(project_id)s", "http://b/$(tenant_id)s/$(user_id)s", "http://c/%20")
    assert urls(shot, Scope(PROJECT, "P")) == ["http://a/P", "http://b/P/U", "http://c/%20"]
    assert urls(shot, Scope(DOMAIN, "D")) == ["http://c/%20"]


def test_a_url_no_token_can_fill_is_seen() -> None:
    assert unknown_placeholders("http://a/%(password)s/$(project_id)s") == {"password"}


def test_roles_come_with_those_they_imply_and_unknown_ones_are_dropped() -> None:
    names = [role["name"] for role in snapshot().expand({"b", "gone"})]
    assert names == ["member", "reader"]
