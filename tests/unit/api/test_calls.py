"""The table of calls: it knows every route and action, and what it says of a body holds."""

import json
from typing import Any, cast

import falcon
import pytest
from falcon import testing

from minova.api import app
from minova.api.actions import ACTIONS
from minova.api.calls import CALLS, Answer, Call, Query, check
from minova.api.calls.server_actions import ACTIONS as ANSWERED
from minova.api.calls.shape import STRING, Shape, every, has, may, of, resolve
from minova.api.microversions import MAX, MIN, negotiate
from minova.api.validation import Field, compiled
from minova.common import errors, faults, wsgi
from minova.common.context import RequestContext
from minova.common.wsgi import App, Route
from tests.configuration import configure


@pytest.fixture(scope="module")
def routes() -> list[Route]:
    configure()
    return app.routes(cast(Any, None))


def test_every_route_has_a_call_and_every_call_a_route(routes: list[Route]) -> None:
    there = {f"{route.method} {route.path}" for route in routes}
    assert there == set(CALLS)


def test_every_action_says_what_it_answers() -> None:
    assert set(ACTIONS) == set(ANSWERED)


def test_every_version_of_every_call_is_proper_json_schema() -> None:
    seen: set[str] = set()
    for call in CALLS.values():
        for version in ((2, minor) for minor in range(MIN[1], MAX[1] + 1)):
            for action in call.actions or (None,):
                for answer in call.answers(version, action):
                    schema = resolve(answer.body or {}, version)
                    text = json.dumps(schema)
                    if text not in seen:
                        compiled(schema).check_schema(schema)
                    seen.add(text)


WIDGET = Shape(has("id", STRING), has("color", STRING, (2, 7)), may("owner", STRING))
CALL = Call(
    Answer(200, of("widget", WIDGET), until=(2, 8)),
    Answer(202, since=(2, 9)),
    query=Query(Field("color", {"enum": ["red"]}, (2, 7)), strict=(2, 8)),
    errors=(409,),
)
WRONG: dict[str, tuple[int, int, Any]] = {
    "a field too many": (2, 200, {"widget": {"id": "x", "color": "red"}}),
    "a field missing": (7, 200, {"widget": {"id": "x"}}),
    "a field of a wrong type": (2, 200, {"widget": {"id": 1}}),
    "a status of another version": (9, 200, {"widget": {"id": "x", "color": "red"}}),
    "a body where none belongs": (9, 202, {}),
    "no body": (2, 200, None),
    "an error nobody told of": (2, 418, {"computeFault": {"code": 418, "message": "x"}}),
    "an error in other words": (2, 409, {"error": {"code": 409, "message": "x"}}),
    "an error of another status": (2, 409, {"conflictingRequest": {"code": 400, "message": "x"}}),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_answer_is_noticed(case: str) -> None:
    minor, status, body = WRONG[case]
    assert CALL.problem((2, minor), status, body, None)


def test_right_answers_pass() -> None:
    conflict = {"conflictingRequest": {"code": 409, "message": "x"}}
    for minor, status, body in (
        (2, 200, {"widget": {"id": "x", "owner": "me"}}),
        (8, 200, {"widget": {"id": "x", "color": "red"}}),
        (9, 202, None),
        (9, 409, conflict),
    ):
        assert CALL.problem((2, minor), status, body, None) is None


def test_queries_are_checked_by_their_version() -> None:
    CALL.query.check((2, 6), {"color": "blue", "size": ["1", "2"]})
    CALL.query.check((2, 8), {"color": ["red", "red"]})
    with pytest.raises(errors.Invalid, match="query parameters color"):
        CALL.query.check((2, 7), {"color": ["red", "blue"]})
    with pytest.raises(errors.Invalid, match="Additional properties are not allowed"):
        CALL.query.check((2, 8), {"size": "1"})


def test_shapes_stand_anywhere_in_a_schema() -> None:
    schema = resolve({"anyOf": [every(WIDGET), {"const": ""}]}, (2, 1))
    assert compiled(schema).is_valid([{"id": "x"}]) and compiled(schema).is_valid("")
    assert not compiled(schema).is_valid([{}])


def widget(req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
    return {"widget": {"id": req.params.get("id") or 1}}


def ask(mode: str, query: str) -> testing.Result:
    """GET /widget of a service whose answers are looked at in this mode."""
    calls = {"GET /widget": CALL}
    service = App(
        name="test",
        routes=[check.guarded(Route("GET", "/widget", widget), calls)],
        dialect=faults.dialect,
        auth=False,
        authenticate=lambda req: RequestContext(overwrite=False),
        before=negotiate,
        after=check.watcher(mode, calls),
    )
    return testing.TestClient(wsgi.build(service)).simulate_get("/widget", query_string=query)


def test_a_wrong_answer_becomes_a_500_that_names_it(caplog: pytest.LogCaptureFixture) -> None:
    assert ask("error", "id=x").json == {"widget": {"id": "x"}}
    wrong = ask("error", "")
    assert wrong.status_code == 500
    assert "at /widget/id: 1 is not of type 'string'" in wrong.json["computeFault"]["message"]
    assert "GET /widget failed" in caplog.text
    caplog.clear()
    assert ask("warn", "").status_code == 200
    assert "at /widget/id: 1 is not of type 'string'" in caplog.text
    caplog.clear()
    assert ask("ignore", "").status_code == 200
    assert not caplog.text
