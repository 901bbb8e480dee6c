"""What is served of noVNC, and what it may do in a browser."""

import base64
import hashlib
from pathlib import Path

import pytest

from minova.console.pages import Pages, origin_of

SCRIPT = b"\n  import RFB from './core/rfb.js';\n"
HTML = (
    b"<html><script src='app/ui.js'></script><SCRIPT type=\"module\">"
    + SCRIPT
    + b"</SCRIPT></html>"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "novnc"
    (top / "core").mkdir(parents=True)
    (top / "vendor" / "utils").mkdir(parents=True)
    (top / "vendor" / "utils" / "common.js").write_text("export default 2;")
    (top / "utils").mkdir()
    (top / "vnc_lite.html").write_bytes(HTML)
    (top / "vnc_auto.html").symlink_to("vnc_lite.html")
    (top / "core" / "rfb.js").write_text("export default 1;")
    (top / "utils" / "launch.js").write_text("a program")
    (top / "secret.pem").write_text("a key")
    (top / ".hidden.js").write_text("hidden")
    (tmp_path / "outside.html").write_text("elsewhere")
    (top / "linked.html").symlink_to(tmp_path / "outside.html")
    return top


@pytest.fixture
def pages(folder: Path) -> Pages:
    return Pages(folder, "ws://console.test:6080", ["https://horizon.test"])


def test_the_page_and_its_scripts_are_there(pages: Pages) -> None:
    page = pages.get("/vnc_lite.html")
    assert (page.status, page.body) == (200, HTML)
    assert pages.get("/vnc_auto.html").body == HTML
    assert pages.get("/vendor/utils/common.js").status == 200
    script = pages.get("/core/rfb.js")
    assert script.headers["Content-Type"].startswith("text/javascript")


def test_a_page_runs_only_the_scripts_that_it_came_with(pages: Pages) -> None:
    policy = pages.get("/vnc_lite.html").headers["Content-Security-Policy"]
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    digest = base64.b64encode(hashlib.sha256(SCRIPT).digest()).decode()
    assert rules["script-src"] == f"'self' 'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert rules["connect-src"] == "'self' ws://console.test:6080"


def test_only_named_sites_put_the_page_in_a_frame(pages: Pages) -> None:
    policy = pages.get("/vnc_lite.html").headers["Content-Security-Policy"]
    assert policy.endswith("frame-ancestors 'self' https://horizon.test")


def test_the_address_of_a_page_stays_with_it(pages: Pages) -> None:
    headers = pages.get("/vnc_lite.html").headers
    assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")


@pytest.mark.parametrize(
    "path", ["/secret.pem", "/.hidden.js", "/linked.html", "/utils/launch.js", "/core", "/", "/x"]
)
def test_nothing_else_is_there(pages: Pages, path: str) -> None:
    assert pages.get(path).status == 404


@pytest.mark.parametrize(
    "path",
    [
        "//evil.com/%2f..",
        "//evil.com",
        "/../outside.html",
        "/core/../../x",
        "/%2e%2e/x",
        "/a\\..\\b",
    ],
)
def test_cve_2021_3654_no_address_leads_elsewhere(pages: Pages, path: str) -> None:
    page = pages.get(path)
    assert page.status == 400
    assert "Location" not in page.headers and b"evil" not in page.body


def test_without_novnc_the_answer_says_what_to_install(tmp_path: Path) -> None:
    page = Pages(tmp_path / "none", "ws://console.test").get("/vnc_lite.html")
    assert page.status == 404 and b"Debian: novnc" in page.body


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://127.0.0.1:6080/vnc_lite.html", "http://127.0.0.1:6080"),
        ("https://Console.Example.org/vnc.html?x=y", "https://console.example.org"),
        ("https://console.example.org:443/", "https://console.example.org"),
        ("http://console.example.org:80", "http://console.example.org"),
        ("http://console.example.org:443/", "http://console.example.org:443"),
        ("http://[::1]:6080/vnc_lite.html", "http://[::1]:6080"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin
