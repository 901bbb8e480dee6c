"""Microversions: the list has no gaps, and headers are read as nova reads them."""

import falcon
import pytest
from falcon import testing

from minova.api import microversions
from minova.api.microversions import HISTORY, MAX
from minova.common import errors


def negotiated(**headers: str) -> tuple[falcon.Request, falcon.Response]:
    names = {"new": "OpenStack-API-Version", "old": "X-OpenStack-Nova-API-Version"}
    environ = testing.create_environ(headers={names[k]: v for k, v in headers.items()})
    req, resp = falcon.Request(environ), falcon.Response()
    microversions.negotiate(req, resp)
    return req, resp


def test_every_version_up_to_the_newest_is_listed() -> None:
    assert list(HISTORY) == list(range(1, MAX[1] + 1))
    assert all(line and line[-1] != "." for line in HISTORY.values())


def test_versions_compare_as_numbers_not_as_text() -> None:
    req, _ = negotiated(new="compute 2.10")
    assert req.context.version > (2, 9)


@pytest.mark.parametrize("value", ["2", "2.", "2.1.1", "2.01", "a.b", "2.-1", "0.1", "2,1"])
def test_a_malformed_version_is_refused(value: str) -> None:
    with pytest.raises(errors.Invalid, match="is of invalid format"):
        negotiated(old=value)


def test_a_handler_exists_only_inside_its_window() -> None:
    class Resource:
        @microversions.window("2.10", "2.20")
        def show(self, req: falcon.Request, resp: falcon.Response) -> str:
            return "shown"

    for version, there in (("2.9", False), ("2.10", True), ("2.20", True), ("2.21", False)):
        req, resp = negotiated(new=f"compute {version}")
        if there:
            assert Resource().show(req, resp) == "shown"
        else:
            with pytest.raises(errors.NotFound):
                Resource().show(req, resp)
