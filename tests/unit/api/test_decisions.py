"""The small decisions of the API: hostnames, patterns, keys, extra specs, URLs."""

import re
import time
from types import SimpleNamespace

import falcon
import pytest
from falcon import testing

from minova.api import key_material, server_filters, urls
from minova.api.launch import default_hostname
from minova.common import errors
from minova.model import extra_specs

SERVER = "0cf3232c-2d72-4058-8349-8b8f71435874"
OWN = "a" * 32


@pytest.mark.parametrize(
    ("name", "hostname"),
    [
        ("stack_testvm", "stack-testvm"),
        ("My Server.1", "my-server-1"),
        ("Größe", "groe"),
        ("--x--", "x"),
        ("€", f"server-{SERVER}"),
        ("a" * 100, "a" * 63),
        ("a" * 62 + "-b", "a" * 62),
    ],
)
def test_a_hostname_is_made_of_the_servers_name(name: str, hostname: str) -> None:
    assert default_hostname(name, SERVER) == hostname
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", hostname)


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a*)*",
        "(a|aa)+$",
        "((a)+)+",
        "(x+x+)+y",
        "([a-z]+)*$",
        "a*a*a*b",
        "a?" * 30 + "a" * 30,
        "(a|a)" * 30 + "b",
        "(.*){12}",
        r"(a)\1",
        "(?:a+)+",
        "x" * 300,
        "(",
    ],
)
def test_a_pattern_that_could_run_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(errors.Invalid):
        server_filters.pattern("name", pattern)


@pytest.mark.parametrize(
    "pattern", ["web", "^web-[0-9]+$", "vm.*", "(web|db)-1", "10\\.9\\.0\\.", "a{1,3}", "web-.*-1"]
)
def test_a_pattern_that_people_write_is_taken_and_quick(pattern: str) -> None:
    compiled = re.compile(server_filters.pattern("name", pattern))
    started = time.monotonic()
    compiled.search("a" * 255)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    ("path", "prefix", "rewritten"),
    [
        ("/", "/v2.1", "/"),
        ("/v2.1", "/v2.1", "/v2.1"),
        ("/v2", "/v2", "/v2"),
        ("/v2.1/servers", "/v2.1", "/v2.1/servers"),
        ("/v2/servers/x/action", "/v2", "/v2.1/servers/x/action"),
        (f"/v2.1/{OWN}/servers", f"/v2.1/{OWN}", "/v2.1/servers"),
        (f"/v2.1/servers/{OWN}", "/v2.1", f"/v2.1/servers/{OWN}"),
        (f"/v2.1/{OWN}", "/v2.1", f"/v2.1/{OWN}"),
        ("/v3/servers", "/v2.1", "/v3/servers"),
    ],
)
def test_every_form_of_an_url_reaches_the_same_route(path, prefix, rewritten) -> None:
    req = falcon.Request(testing.create_environ(path))
    req.context.ctxt = SimpleNamespace(project_id=OWN)
    urls.rewrite(req)
    assert (req.context.prefix, req.path) == (prefix, rewritten)


def test_another_projects_id_in_the_url_is_refused() -> None:
    req = falcon.Request(testing.create_environ(f"/v2.1/{'b' * 32}/servers"))
    req.context.ctxt = SimpleNamespace(project_id=OWN)
    with pytest.raises(errors.Invalid, match="Malformed request URL"):
        urls.rewrite(req)


@pytest.mark.parametrize(
    "key", ["", "ssh-rsa", "0 \x80", "ssh-rsa AAAA", "ssh-rsa ====", "a b\nc d", "ssh-rsa \ud800"]
)
@pytest.mark.parametrize("kind", ["ssh", "x509"])
def test_a_key_that_is_none_is_refused(kind: str, key: str) -> None:
    with pytest.raises(errors.Invalid, match="Keypair data is invalid"):
        key_material.fingerprint(kind, key)


def test_a_made_key_has_the_fingerprint_of_its_public_half() -> None:
    _, public = key_material.generate("ssh", "me")
    assert key_material.fingerprint("ssh", public).count(":") == 15
    _, certificate = key_material.generate("x509", "me")
    assert key_material.fingerprint("x509", certificate).count(":") == 19


@pytest.mark.parametrize(
    ("key", "value", "fine"),
    [
        ("hw:cpu_policy", "dedicated", True),
        ("hw:cpu_policy", "never", False),
        ("hw:cpu_polic", "dedicated", False),
        ("hw:numa_cpus.0", "0,1", True),
        ("hw:cpu_max_sockets", "2", True),
        ("quota:disk_read_iops_sec", "100", True),
        ("quota:disk_read_iops_sec", "many", False),
        ("trait:HW_CPU_X86_AVX2", "required", True),
        ("trait:HW_CPU_X86_AVX2", "maybe", False),
        ("mine:anything", "goes", True),
        ("plain", "goes", True),
    ],
)
def test_extra_specs_of_known_namespaces_are_checked(key, value, fine) -> None:
    if fine:
        extra_specs.check(key, value)
    else:
        with pytest.raises(errors.Invalid):
            extra_specs.check(key, value)
