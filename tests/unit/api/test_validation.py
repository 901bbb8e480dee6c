"""Bodies: each version knows its own fields, and a refusal names the field."""

import pytest

from minova.api.schemas import flavors, servers, types
from minova.api.validation import Body, Field, boolean, is_uuid, parse_time
from minova.common import errors

LAUNCH = {"name": "x", "flavorRef": "1", "imageRef": "", "networks": "none"}
THING = Body(
    "thing",
    Field("old", {"type": "string"}, until=(2, 4)),
    Field("new", {"type": "integer"}, since=(2, 5), required=True),
)


@pytest.mark.parametrize(
    ("version", "body", "words"),
    [
        ((2, 1), {"thing": {"old": "x"}}, None),
        ((2, 4), {"thing": {"new": 1}}, "('new' was unexpected)"),
        ((2, 5), {"thing": {"new": 1}}, None),
        ((2, 5), {"thing": {}}, "'new' is a required property"),
        ((2, 5), {"thing": {"new": "x"}}, "field/attribute new"),
        ((2, 5), {"thing": {"new": 1, "old": "x"}}, "'old'"),
        ((2, 5), {"thing": {"new": 1}, "x": 1}, "'x'"),
        ((2, 5), {}, "'thing' is a required property"),
        ((2, 5), [], "is not of type 'object'"),
        ((2, 5), None, "is not of type 'object'"),
    ],
)
def test_a_field_is_known_only_in_its_versions(version, body, words) -> None:
    if words is None:
        THING.check(version, body)
        return
    with pytest.raises(errors.Invalid) as refused:
        THING.check(version, body)
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("since", "field", "value"),
    [
        (19, "description", "d"),
        (52, "tags", ["t"]),
        (63, "trusted_image_certificates", None),
        (74, "host", "h"),
        (90, "hostname", "web"),
        (94, "hostname", "web.example.org"),
        (37, "networks", "auto"),
        (42, "networks", [{"uuid": "11111111-1111-1111-1111-111111111111", "tag": "t"}]),
    ],
)
def test_a_launch_knows_a_field_from_its_microversion_on(since, field, value) -> None:
    body = {**LAUNCH, field: value}
    if since <= 37:
        body["networks"] = value if field == "networks" else []
    servers.CREATE.check((2, since), {"server": body})
    with pytest.raises(errors.Invalid):
        servers.CREATE.check((2, since - 1), {"server": body})


def test_injected_files_are_unknown_from_2_57_on() -> None:
    body = {"server": {**LAUNCH, "personality": []}}
    servers.CREATE.check((2, 56), body)
    with pytest.raises(errors.Invalid, match="personality"):
        servers.CREATE.check((2, 57), body)


def test_a_refusal_does_not_repeat_a_huge_value() -> None:
    with pytest.raises(errors.Invalid) as refused:
        flavors.CREATE.check((2, 1), {"flavor": {"name": "x" * 100_000}})
    assert len(refused.value.message) < 1000


@pytest.mark.parametrize("name", ["a", "a b", "ä€", "a" * 255])
def test_names_that_are_names(name: str) -> None:
    Body(None, Field("name", types.NAME)).check((2, 1), {"name": name})


@pytest.mark.parametrize("name", ["", " ", " a", "a ", "a\n", "\x00", "a\x7f", "a" * 256, None, 1])
def test_names_that_are_none(name) -> None:
    with pytest.raises(errors.Invalid):
        Body(None, Field("name", types.NAME)).check((2, 1), {"name": name})


def test_numbers_may_be_written_as_text() -> None:
    body = Body(None, Field("n", types.integer(1)))
    for value in (1, "1", "42"):
        body.check((2, 1), {"n": value})
    for value in (0, "0", "-1", "x", "", "1" * 20, 2**31, 1.5, True, None):
        with pytest.raises(errors.Invalid):
            body.check((2, 1), {"n": value})


def test_words_of_yes_and_no() -> None:
    assert all(boolean(v) for v in (True, "True", "1", "on", "YES"))
    assert not any(boolean(v) for v in (False, "False", "0", "off", "no", None, [], {}))


def test_ids_and_times() -> None:
    assert is_uuid("0cf3232c-2d72-4058-8349-8b8f71435874")
    assert is_uuid("0cf3232c2d72405883498b8f71435874")
    assert not is_uuid("0cf3232c-2d72-4058-8349-8b8f7143587")
    zulu = parse_time("2026-11-21T08:30:00Z")
    assert parse_time("2026-11-21T08:30:00") == zulu
    assert parse_time("2026-11-21T10:30:00+02:00") == zulu
    # As a query brings it when the client did not escape the plus.
    assert parse_time("2026-11-21T10:30:00 02:00") == zulu
