"""Whatever a client sends to any call of the compute API, it gets an answer that is documented.

The OpenAPI document of a version makes the requests: proper ones, and ones
with something wrong in them. So that they get further than the first check,
ids that exist and strings that are odd are put into what it may choose from.
The examples are the same at each run; `MINOVA_FUZZ=1000` tries so many new ones.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.specs.openapi import checks

from minova.api import openapi
from minova.api.microversions import HEADER, MAX, MIN, Version, text
from minova.db.engine import Database
from tests.configuration import configure
from tests.nova import DEADLINE, Nova

PROFILES = ("embedded", "mariadb", "postgresql")
MANY = int(os.environ.get("MINOVA_FUZZ", "0"))
SERVER = "the-server"
UNKNOWN = "00000000-0000-0000-0000-000000000000"
# How many requests of each kind to each call; databases of their own are slower.
EXAMPLES = {"embedded": 2, "mariadb": 1, "postgresql": 1}
VERSIONS = {"embedded": (MIN, MAX), "mariadb": (MAX,), "postgresql": (MAX,)}
STRANGE = [
    *("", " ", "a" * 300, "\x00", "a\x00b", "\U0001f600", "\n", "e\u0301", "none"),
    *("auto", "0", "-1", "1e99", "nan", UNKNOWN, "10.9.0.300", "10.9.0.0/22", "::1", "nova::"),
    *("../../etc/passwd", "' OR 1=1 --", "%00", "${x}", "f" * 32),
]
CHECKS = [checks.status_code_conformance, checks.content_type_conformance]


def schema_of(nova: Nova, version: Version) -> Any:
    """The document of a version, with known ids and odd strings in what may be sent."""
    configure()
    document = openapi.document(Database("sqlite://"), version, nova.url.removesuffix("/v2.1"))
    known = {
        "server_id": SERVER,
        "flavor_id": nova.flavor,
        "project_id": nova.project,
        "imageRef": nova.image,
        "flavorRef": nova.flavor,
        "uuid": nova.network,
        "net_id": nova.network,
    }
    for operations in document["paths"].values():
        for operation in operations.values():
            # Every request says the version, and so is not what is varied.
            del operation["parameters"][0]
            for parameter in operation["parameters"]:
                name = parameter["name"]
                if name in known:
                    parameter["schema"] = {"enum": [known[name]] * 3 + [UNKNOWN, "x"]}
            if "requestBody" in operation:
                content = operation["requestBody"]["content"]["application/json"]
                content["schema"] = loosened(content["schema"], known)
    return schemathesis.openapi.from_dict(document)


def loosened(schema: Any, known: dict[str, str], name: str = "") -> Any:
    """A schema that lets known ids stand where they belong, and odd strings anywhere."""
    if isinstance(schema, list):
        return [loosened(item, known, name) for item in schema]
    if not isinstance(schema, dict):
        return schema
    loose = {
        key: {k: loosened(v, known, k) for k, v in value.items()}
        if key == "properties"
        else loosened(value, known, name)
        for key, value in schema.items()
    }
    if schema.get("type") != "string":
        return loose
    return {"anyOf": [loose, {"enum": [*([known[name]] * 9 if name in known else ()), *STRANGE]}]}


class Servers:
    """A server to be acted upon; another one when it is gone."""

    def __init__(self, nova: Nova) -> None:
        self._nova = nova
        self._id: str | None = None

    def living(self) -> str:
        found = self._id and self._nova.call("GET", f"/servers/{self._id}", user="admin")
        if not self._id or found.status_code == 404:
            self._id = self._nova.launch(user="admin", name="fuzzed", networks="none")
        return self._id


@pytest.fixture
def servers(nova: Nova, left_as_found: None) -> Iterator[Servers]:
    """Servers; whatever they, or a lucky body, have left is deleted."""
    yield Servers(nova)
    for server in nova.get("/servers?all_tenants=1", user="admin")["servers"]:
        nova.act(server["id"], "unlock", user="admin")
        nova.call("DELETE", f"/servers/{server['id']}", user="admin")
    nova.until(lambda: not nova.get("/servers?all_tenants=1", user="admin")["servers"], "all gone")


def test_every_call_answers_as_documented(nova: Nova, profile: str, servers: Servers) -> None:
    wrong: list[str] = []
    for version in VERSIONS[profile]:
        headers = {"X-Auth-Token": nova.tokens["admin"], HEADER: f"compute {text(version)}"}
        with requests.Session() as session:
            sender = Sender(nova.url.removesuffix("/v2.1"), session, headers, EXAMPLES[profile])
            wrong += every_call(schema_of(nova, version), sender, servers)
    assert not wrong, "\n\n".join(wrong)


def every_call(schema: Any, sender: "Sender", servers: Servers) -> list[str]:
    """Send some requests of every call; what was answered wrongly."""
    wrong = []
    for result in schema.get_all_operations():
        operation = result.ok()
        if (operation.method.upper(), operation.path) in KEPT:
            continue
        if "{server_id}" in operation.path:
            sender.server = servers.living()
        for mode in GenerationMode:
            try:
                sender.some(operation, mode)
            except Unsatisfiable:
                continue  # nothing of this call could be wrong
            except (Exception, BaseExceptionGroup) as error:
                at = sender.headers[HEADER]
                wrong.append(f"{operation.label} {mode.value} {at}: {error}")
    return wrong


# What the cloud is furnished with is not deleted.
KEPT = {("DELETE", "/v2.1/flavors/{flavor_id}")}


@dataclass
class Sender:
    """Sends requests to a cloud, about this server."""

    url: str
    session: requests.Session
    headers: dict[str, str]
    examples: int
    server: str = UNKNOWN

    def some(self, operation: Any, mode: GenerationMode) -> None:
        """Some requests of a call; raises what is wrong with their answers."""
        wanted = list(CHECKS)
        # One status of an action may come with a body or without, which no document can say;
        # the cloud itself checks the answer of each action against its own schema.
        if "/action" not in operation.path:
            wanted.append(checks.response_schema_conformance)

        @settings(
            max_examples=MANY or self.examples,
            deadline=None,
            derandomize=not MANY,
            database=None,
            phases=[Phase.generate, Phase.shrink] if MANY else [Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def send(case: Any) -> None:
            if case.path_parameters.get("server_id") == SERVER:
                case.path_parameters["server_id"] = self.server
            answer = case.call(
                base_url=self.url, session=self.session, headers=self.headers, timeout=DEADLINE
            )
            # What a cloud does not have at all is a 501 in Nova, too.
            assert answer.status_code < 500 or answer.status_code == 501, answer.text
            case.validate_response(answer, checks=wanted)

        send()
