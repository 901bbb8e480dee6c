"""What is wrong with a request is said in Nova's status, shape and words; nothing is a 5xx."""

import uuid
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from tests.nova import Nova

NOBODY = str(uuid.uuid4())
MOST_BYTES = 114688
KEYS = {
    400: "badRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    406: "computeFault",
    409: "conflictingRequest",
    413: "overLimit",
    415: "badMediaType",
}


@dataclass(frozen=True)
class Bad:
    """A request and its refusal; SERVER and FOREIGN in the path stand for servers' ids."""

    status: int
    words: str
    method: str = "GET"
    path: str = "/servers/SERVER"
    body: Any = None
    version: str | None = "2.96"
    user: str = "demo"
    options: dict[str, Any] = field(default_factory=dict)


def launch(status: int, words: str, version: str = "2.96", **values: Any) -> Bad:
    return Bad(status, words, "POST", "/servers", {"launch": values}, version)


def act(status: int, words: str, body: Any, server: str = "SERVER", **options: Any) -> Bad:
    return Bad(status, words, "POST", f"/servers/{server}/action", body, **options)


def raw(content: bytes, kind: str = "application/json") -> dict[str, Any]:
    return {"data": content, "headers": {"Content-Type": kind}}


def listed(status: int, words: str, query: str, version: str = "2.96") -> Bad:
    return Bad(status, words, path=f"/servers/detail?{query}", version=version)


_A_LIST = "Value: 'x'. 'x' is not of type 'array'"

CASES: dict[str, Bad] = {
    # versions
    "a version to come": Bad(406, "Version 2.999 is not supported by the API.", version="2.999"),
    "a version that never was": Bad(406, "Version 3.0 is not supported", version="3.0"),
    "a version that is none": Bad(
        400,
        "API Version String x.y is of invalid format. Must be of format MajorNum.MinorNum.",
        version="x.y",
    ),
    # ids
    "an unknown server": Bad(
        404, f"Instance {NOBODY} could not be found.", path=f"/servers/{NOBODY}"
    ),
    "an id that is none": Bad(
        404, "Instance 1' OR '1 could not be found.", path="/servers/1'%20OR%20'1"
    ),
    "a very long id": Bad(404, "could not be found", path="/servers/" + "f" * 2000),
    "an id of another script": Bad(404, "could not be found", path="/servers/%F0%9F%98%80"),
    "a foreign server": Bad(404, "Instance FOREIGN could not be found.", path="/servers/FOREIGN"),
    "deleting a foreign server": Bad(
        404, "Instance FOREIGN could not be found.", "DELETE", "/servers/FOREIGN"
    ),
    "metadata of a foreign server": Bad(
        404, "Instance FOREIGN could not be found.", path="/servers/FOREIGN/metadata"
    ),
    "acting on a foreign server": act(
        404, "Instance FOREIGN could not be found.", {"os-stop": None}, "FOREIGN"
    ),
    "an unknown flavor": Bad(404, "Flavor nope could not be found.", path="/flavors/nope"),
    "an unknown key pair": Bad(404, "not found for user", path="/os-keypairs/nope"),
    "an unknown port": Bad(404, NOBODY, path=f"/servers/SERVER/os-interface/{NOBODY}"),
    "an unknown volume": Bad(404, NOBODY, path=f"/servers/SERVER/os-volume_attachments/{NOBODY}"),
    "an unknown request": Bad(404, "req-0", path="/servers/SERVER/os-instance-actions/req-0"),
    "an unknown resource": Bad(404, "The resource could not be found.", path="/nope"),
    # bodies
    "no JSON": Bad(400, "Malformed request body", "POST", "/servers", options=raw(b"{")),
    "half a character": Bad(
        400, "", "POST", "/servers", options=raw(b'{"server": {"name": "\\ud800"}}')
    ),
    "not a number": Bad(
        400, "Malformed request body", "POST", "/servers", options=raw(b'{"server": NaN}')
    ),
    "a nest": Bad(
        400, "Malformed request body", "POST", "/servers", options=raw(b"[" * 50000 + b"]" * 50000)
    ),
    "no body": Bad(400, "", "POST", "/servers"),
    "another kind": Bad(415, "", "POST", "/servers", options=raw(b"<a/>", "application/xml")),
    "a huge body": Bad(
        413, "", "POST", "/servers", options=raw(b'{"server": "' + b"x" * MOST_BYTES + b'"}')
    ),
    "a list": Bad(400, "[] is not of type 'object'", "POST", "/servers", []),
    "a word": Bad(400, "'x' is not of type 'object'", "POST", "/servers", "x"),
    "nothing in it": Bad(400, "'server' is a required property", "POST", "/servers", {}),
    "a field beside": Bad(
        400,
        "Additional properties are not allowed ('bogus' was unexpected)",
        "POST",
        "/servers",
        {"launch": {}, "bogus": 1},
    ),
    # fields
    "an unknown field": launch(
        400,
        "Invalid input for field/attribute server. "
        "Additional properties are not allowed ('bogus' was unexpected)",
        bogus=1,
    ),
    "a field of a later version": launch(400, "('tags' was unexpected)", "2.51", tags=["a"]),
    "a field of an earlier version": launch(
        400, "('personality' was unexpected)", "2.57", personality=[]
    ),
    "a number as a name": launch(400, "field/attribute name. Value: 1.", name=1),
    "no name": launch(400, "'name' is a required property", name=None),
    "an empty name": launch(400, "Invalid input for field/attribute name. Value: ''.", name=""),
    "a long name": launch(400, "Invalid input for field/attribute name.", name="x" * 256),
    "blanks around a name": launch(400, "Invalid input for field/attribute name.", name=" x "),
    "a line in a name": launch(400, "Invalid input for field/attribute name.", name="a\nb"),
    "a word for a list": launch(400, f"security_groups. {_A_LIST}", security_groups="x"),
    "a word for a number": launch(400, "field/attribute min_count.", min_count="many"),
    "less than one": launch(400, "field/attribute max_count.", max_count=0),
    "a word for yes": launch(400, "field/attribute config_drive.", config_drive="perhaps"),
    "an address that is none": launch(400, "attribute accessIPv4.", accessIPv4="10.0.0.256"),
    "a network that is none": launch(
        400, "Value: 'private'. 'private' is not a 'uuid'", networks=[{"uuid": "private"}]
    ),
    "a flavor that is none": launch(400, "Flavor nope could not be found.", flavorRef="nope"),
    "an image that is none": launch(400, "Invalid imageRef provided.", imageRef="nope"),
    # how much there may be
    "a long description": launch(400, "attribute description.", description="x" * 256),
    "a long key of metadata": launch(400, "unexpected", metadata={"k" * 256: "v"}),
    "a long value of metadata": launch(400, "attribute k.", metadata={"k": "v" * 256}),
    "much metadata": launch(
        403,
        "Maximum number of metadata items exceeds 128",
        metadata={str(n): "v" for n in range(129)},
    ),
    "a long tag": launch(400, "Value: 'tttt", tags=["t" * 61]),
    "many tags": launch(400, "attribute tags.", tags=[str(n) for n in range(51)]),
    "many networks": launch(400, "attribute networks.", networks=[{"uuid": NOBODY}] * 1000),
    "many groups": launch(400, "security_groups.", security_groups=[{"name": "default"}] * 1000),
    "many disks": launch(
        400,
        "attribute block_device_mapping_v2.",
        block_device_mapping_v2=[{"source_type": "blank", "destination_type": "local"}] * 500,
    ),
    "long user data": launch(400, "attribute user_data.", user_data="QUJD" * 20000),
    "many servers": launch(400, "max_count must be <= 1000", max_count=10**6),
    "many hints": Bad(
        400,
        "scheduler_hints",
        "POST",
        "/servers",
        {"launch": {}, "OS-SCH-HNT:scheduler_hints": {str(n): "x" for n in range(500)}},
    ),
    # lists
    "a limit that is none": listed(400, "limit", "limit=x"),
    "a limit below zero": listed(400, "limit", "limit=-1"),
    "an unknown marker": listed(400, f"marker [{NOBODY}] not found", f"marker={NOBODY}"),
    "an unknown key to sort by": listed(400, "nope", "sort_key=nope"),
    "an unknown direction": listed(400, "sort", "sort_key=name&sort_dir=up"),
    "a time that is none": listed(400, "changes-since", "changes-since=yesterday"),
    "an unknown status": listed(400, "Invalid status value", "status=nope"),
    "an unknown parameter": listed(
        400, "Additional properties are not allowed ('nope' was unexpected)", "nope=1"
    ),
    "a parameter that is no text": listed(400, "name", "name=%00"),
    "another parameter of key pairs": Bad(
        400, "('nope' was unexpected)", path="/os-keypairs?nope=1"
    ),
    # actions
    "an unknown action": act(400, "There is no such action: fly", {"fly": None}),
    "no action": act(400, "Malformed request body", {}),
    "two actions": act(400, "Malformed request body", {"os-start": None, "os-stop": None}),
    "an action in a list": act(400, "Malformed request body", ["os-start"]),
    "a wrong value of an action": act(
        400, "Invalid input for field/attribute type.", {"reboot": {"type": "GENTLE"}}
    ),
    "no value of an action": act(400, "is not of type 'object'", {"reboot": None}),
    "starting what runs": act(
        409, "Cannot 'start' instance SERVER while it is in vm_state active", {"os-start": None}
    ),
    "an action of admins": act(403, "Policy doesn't allow", {"os-resetState": {"state": "error"}}),
    # who asks
    "nobody": Bad(401, "", user=""),
    "a reader": Bad(403, "Policy doesn't allow", "DELETE", user="reader"),
}


@pytest.fixture(scope="module")
def servers(nova: Nova):
    """The id of a server, and of one in a project that is not seen."""
    made = {"SERVER": nova.launch(name="good"), "FOREIGN": nova.launch(user="stranger")}
    yield made
    nova.delete(made["SERVER"])
    nova.delete(made["FOREIGN"], user="stranger")


@pytest.mark.parametrize("case", CASES)
def test_a_wrong_request_is_refused_as_nova_does(nova: Nova, servers, case: str) -> None:
    bad = CASES[case]
    path, words, body = bad.path, bad.words, bad.body
    for name, server_id in servers.items():
        path, words = path.replace(name, server_id), words.replace(name, server_id)
    if isinstance(body, dict) and "launch" in body:
        body = {**body, **nova.request(**{"networks": "none", **body["launch"]})}
        del body["launch"]
        if bad.version and bad.version < "2.37":
            del body["server"]["networks"]
    answer = nova.call(bad.method, path, body, user=bad.user, version=bad.version, **bad.options)
    assert answer.status_code == bad.status, answer.text
    if bad.status == 401:
        return
    ((key, fault),) = answer.json().items()
    assert (key, fault["code"]) == (KEYS[bad.status], bad.status)
    assert words in fault["message"]
    assert len(answer.text) < 2000


def test_what_is_unknown_in_a_query_is_ignored_before_2_75(nova: Nova, servers) -> None:
    assert nova.call("GET", "/servers/detail?nope=1", version="2.74").status_code == 200


def test_a_locked_server_is_left_alone_by_its_owner(nova: Nova, servers) -> None:
    server = servers["SERVER"]
    assert nova.act(server, "lock", user="admin").status_code == 202
    for method, path, body in (
        ("POST", f"/servers/{server}/action", {"os-stop": None}),
        ("POST", f"/servers/{server}/metadata", {"metadata": {"a": "b"}}),
        ("DELETE", f"/servers/{server}", None),
    ):
        assert nova.refused(409, method, path, body) == f"Instance {server} is locked"
    assert nova.act(server, "unlock", user="admin").status_code == 202


def test_a_body_that_does_not_say_its_length_is_not_read(nova: Nova) -> None:
    def pieces():
        yield b'{"server": {"name": "'
        for _ in range(64):
            yield b"x" * 65536

    answer = requests.post(
        f"{nova.url}/servers",
        data=pieces(),
        headers={"X-Auth-Token": nova.tokens["demo"], "Content-Type": "application/json"},
        timeout=60,
    )
    assert answer.status_code == 400
    assert answer.json()["badRequest"]["message"] == "Malformed request body"
