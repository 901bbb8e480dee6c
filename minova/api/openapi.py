"""The compute API as an OpenAPI 3.1 document, for one microversion: `minova openapi`.

Everything in it comes from the tables: routes (`api.app`), calls
(`api.calls`), server actions (`api.actions`) and the bodies of requests
(`api.schemas`).
"""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from minova import version as release
from minova.api import app
from minova.api.actions import ACTIONS
from minova.api.calls import CALLS, Answer, Call
from minova.api.calls.call import error_shape
from minova.api.calls.shape import resolve
from minova.api.microversions import HEADER, Version, text, window_of
from minova.common.wsgi import Route
from minova.db.engine import Database

Json = dict[str, Any]
_JSON = "application/json"
_PARAMETER = re.compile(r"\{(\w+)\}")
_TOKEN = "token"


def document(db: Database, version: Version, url: str) -> Json:
    """The API of `version`, reached at `url`. The database is not asked."""
    paths: dict[str, Json] = {}
    for route in app.routes(db):
        call = CALLS.get(f"{route.method} {route.path}")
        since, until = window_of(route.handler)
        if call is None or not since <= version <= until:
            continue
        if call.actions or any(call.answers(version)):
            operations = paths.setdefault(route.path, {})
            operations[route.method.lower()] = _operation(route, call, version)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "minova compute API",
            "version": text(version),
            "description": f"The compute API of minova {release.VERSION} at microversion "
            f"{text(version)}, which is Nova's.",
        },
        "servers": [{"url": url}],
        "security": [{_TOKEN: []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                _TOKEN: {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
            },
            "parameters": {"version": _version_header(version)},
            "responses": {
                f"error_{status}": _response(HTTPStatus(status).phrase, _refusal(status))
                for status in sorted(
                    {status for call in CALLS.values() for status in _errors(call)}
                )
            },
        },
    }


def _operation(route: Route, call: Call, version: Version) -> Json:
    bodies = list(_bodies(call, version))
    parameters: list[Json] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PARAMETER.findall(route.path)
    ]
    parameters += [
        {"name": name, "in": "query", "schema": {"type": "string", **schema}}
        for name, schema in call.query.known(version).items()
    ]
    operation: Json = {
        "operationId": f"{route.method.lower()}{re.sub(r'[^a-zA-Z0-9]+', '_', route.path)}",
        "summary": (route.handler.__doc__ or "").strip().partition("\n")[0],
        "tags": [_tag(route.path)],
        "parameters": [{"$ref": "#/components/parameters/version"}, *parameters],
        "responses": _responses(call, version),
    }
    if bodies:
        schema = bodies[0] if len(bodies) == 1 else {"anyOf": bodies}
        operation["requestBody"] = {"required": True, "content": {_JSON: {"schema": schema}}}
    if route.public:
        operation["security"] = []
    return operation


def _tag(path: str) -> str:
    """The resource that a path is of: `servers` of `/v2.1/servers/{server_id}/tags`."""
    words = [word for word in path.split("/")[2:] if not word.startswith("{")]
    return words[0] if words else "versions"


def _bodies(call: Call, version: Version) -> Iterable[Json]:
    for body in call.bodies:
        yield body.schema(version)
    for name in call.actions or ():
        action = ACTIONS[name]
        if action.since <= version <= action.until:
            yield action.schema.schema(version)


def _responses(call: Call, version: Version) -> Json:
    answers: dict[int, list[Answer]] = {}
    for name in call.actions or (None,):
        for answer in call.answers(version, name):
            answers.setdefault(answer.status, []).append(answer)
    responses = {str(status): _success(status, of, version) for status, of in answers.items()}
    for status in _errors(call):
        responses[str(status)] = {"$ref": f"#/components/responses/error_{status}"}
    return responses


def _success(status: int, answers: list[Answer], version: Version) -> Json:
    schemas: list[Json] = []
    for answer in answers:
        schema = None if answer.body is None else resolve(answer.body, version)
        if schema is not None and schema not in schemas:
            schemas.append(schema)
    if not schemas:
        return {"description": HTTPStatus(status).phrase}
    return _response(
        HTTPStatus(status).phrase, schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
    )


def _errors(call: Call) -> tuple[int, ...]:
    return call.errors(takes_body=bool(call.bodies or call.actions))


def _refusal(status: int) -> Json:
    # auth_token, in front of the API, words the refusal of a token on its own.
    return {"type": "object"} if status == 401 else error_shape(status).at((2, 1))


def _response(description: str, schema: Json) -> Json:
    return {"description": description, "content": {_JSON: {"schema": schema}}}


def _version_header(version: Version) -> Json:
    return {
        "name": HEADER,
        "in": "header",
        "required": version > (2, 1),
        "description": "The microversion; without it the request speaks 2.1.",
        "schema": {"enum": [f"compute {text(version)}"]},
    }
