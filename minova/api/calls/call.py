"""What one call of the API takes and answers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft202012Validator

from minova.api.calls.shape import Json, Shape, has, may, resolve
from minova.api.microversions import MAX, MIN, Version
from minova.api.validation import Body, Field, compiled, refuse
from minova.common import faults

# What any call may be refused with, and one that takes a body besides.
_ERRORS = (400, 401, 403, 404, 406, 503)
_BODY_ERRORS = (413, 415)


@dataclass(frozen=True)
class Answer:
    """An answer that is no error: a Shape or JSON schema as `body`, or None for an empty one."""

    status: int
    body: Any = None
    since: Version = MIN
    until: Version = MAX


class Query:
    """The query string: a Field per parameter; a schema is of each of the parameter's texts.

    Parameters that no field knows are ignored before `strict`, and refused from it on.
    """

    def __init__(self, *fields: Field, strict: Version | None = None) -> None:
        self.fields, self.strict = fields, strict
        self._validators: dict[Version, Draft202012Validator] = {}

    def known(self, version: Version) -> dict[str, Any]:
        """The parameters of this version and their schemas."""
        return {f.name: f.schema for f in self.fields if f.since <= version <= f.until}

    def check(self, version: Version, params: Mapping[str, str | list[str]]) -> None:
        """errors.Invalid if a parameter is wrong, or must not be there."""
        if not params:
            return
        validator = self._validators.get(version)
        if validator is None:
            validator = self._validators[version] = compiled(self._schema(version))
        lists = {name: [v] if isinstance(v, str) else v for name, v in params.items()}
        refuse(validator, lists, where="query parameters", depth=1)

    def _schema(self, version: Version) -> Json:
        strict = self.strict is not None and version >= self.strict
        return {
            "type": "object",
            "properties": {
                name: {"type": "array", "items": schema}
                for name, schema in self.known(version).items()
            },
            "additionalProperties": not strict,
        }


NO_QUERY = Query()


class Call:
    """A call: the answers it may give, the body and the query it takes.

    Of several bodies one will do. `errors` are the statuses of refusals besides
    those that every call has. `actions` is for POST …/action: the answers by the action's name.
    """

    def __init__(
        self,
        *answers: Answer,
        body: Body | tuple[Body, ...] = (),
        query: Query = NO_QUERY,
        errors: tuple[int, ...] = (),
        actions: Mapping[str, tuple[Answer, ...]] | None = None,
    ) -> None:
        self._answers, self.query = answers, query
        self.bodies = (body,) if isinstance(body, Body) else body
        self._errors, self.actions = errors, actions
        self._validators: dict[tuple[Version, int, str | None], Draft202012Validator] = {}

    def errors(self, *, takes_body: bool) -> tuple[int, ...]:
        """The statuses a request may be refused with."""
        return tuple(sorted({*_ERRORS, *(_BODY_ERRORS if takes_body else ()), *self._errors}))

    def answers(self, version: Version, action: str | None = None) -> Iterator[Answer]:
        """The answers of this version that are no errors."""
        every = self._answers if self.actions is None else self.actions.get(action or "", ())
        return (answer for answer in every if answer.since <= version <= answer.until)

    def problem(self, version: Version, status: int, body: Any, action: str | None) -> str | None:
        """What is wrong with an answer (`body` None: it was empty); None if nothing is."""
        if status >= 400:
            if status not in self.errors(takes_body=True):
                return f"it is refused with {status}, which is not among its errors"
            return error_problem(status, body)
        if self.actions is not None and action not in self.actions:
            return None
        found = [
            self._body_problem(version, answer, body, action)
            for answer in self.answers(version, action)
            if answer.status == status
        ]
        if found:
            # An action may have two answers of one status: with a body, and without.
            return None if None in found else found[0]
        return f"it is answered with {status}, which is not among its answers"

    def _body_problem(
        self, version: Version, answer: Answer, body: Any, action: str | None
    ) -> str | None:
        if answer.body is None or body is None:
            return None if answer.body is body else "the body is empty, or should be"
        key = (version, answer.status, action)
        validator = self._validators.get(key)
        if validator is None:
            validator = self._validators[key] = compiled(resolve(answer.body, version))
        return _first(validator, body)


def error_shape(status: int) -> Shape:
    """The body of a refusal."""
    known = [has("code", {"const": status}), has("message", {"type": "string", "minLength": 1})]
    return Shape(has(faults.name(status), Shape(*known, may("retryAfter", {"type": "string"}))))


def error_problem(status: int, body: Any) -> str | None:
    """What is wrong with the body of a refusal; None if nothing is."""
    validator = _error_validators.get(status)
    if validator is None:
        validator = _error_validators[status] = compiled(resolve(error_shape(status), MAX))
    return _first(validator, body)


_error_validators: dict[int, Draft202012Validator] = {}


def _first(validator: Draft202012Validator, body: Any) -> str | None:
    error = next(validator.iter_errors(body), None)
    if error is None:
        return None
    path = "/".join(str(part) for part in error.absolute_path)
    return f"at /{path}: {error.message[:500]}"
