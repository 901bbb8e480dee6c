"""`minova openapi`: a document that a tool for OpenAPI 3.1 can read, one for each version."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from minova.api import openapi
from minova.api.microversions import MAX, MIN
from minova.db.engine import Database
from tests.configuration import configure


@pytest.mark.parametrize("version", [MIN, (2, 36), (2, 53), MAX])
def test_the_document_of_a_version_is_valid(version: tuple[int, int]) -> None:
    configure()
    written = openapi.document(Database("sqlite://"), version, "http://127.0.0.1:8774")
    OpenAPIV31SpecValidator(written).validate()


def test_a_version_has_its_own_calls_bodies_and_answers() -> None:
    configure()
    old, new = (
        openapi.document(Database("sqlite://"), version, "http://127.0.0.1:8774")
        for version in (MIN, MAX)
    )
    rename = "/v2.1/flavors/{flavor_id}"
    assert "put" in new["paths"][rename] and "put" not in old["paths"][rename]
    for document, known in ((old, False), (new, True)):
        post = document["paths"]["/v2.1/servers"]["post"]
        content = post["requestBody"]["content"]["application/json"]
        assert ("tags" in content["schema"]["properties"]["server"]["properties"]) is known
        listed = document["paths"]["/v2.1/servers/detail"]["get"]["responses"]["200"]
        server = listed["content"]["application/json"]["schema"]["properties"]["servers"]["items"]
        assert ("tags" in server["properties"]) is known


def test_the_command_writes_it_and_refuses_other_versions() -> None:
    done = minova("openapi", "--microversion", "2.1")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["info"]["version"] == "2.1"
    refused = minova("openapi", "--microversion", "2.9999")
    assert refused.returncode == 2 and "is not supported by the API" in refused.stderr


def minova(*words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("minova")
    return subprocess.run([program, *words], capture_output=True, text=True, timeout=60)
