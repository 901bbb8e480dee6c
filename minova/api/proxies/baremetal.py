"""Bare metal nodes: there are none, and what once changed them points elsewhere."""

from typing import Any, NoReturn

import falcon

from minova.api.access import Access
from minova.api.microversions import window
from minova.common import errors, wsgi
from minova.common.wsgi import Route

_PATH = "/v2.1/os-baremetal-nodes"
_ACTIONS = {"add_interface": "port-create", "remove_interface": "port-delete"}


class BareMetalProxies:
    """The handlers of /os-baremetal-nodes."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        return [
            Route("GET", _PATH, self.index),
            Route("GET", _PATH + "/{node_id}", self.show),
            Route("POST", _PATH, self.create),
            Route("DELETE", _PATH + "/{node_id}", self.delete),
            Route("POST", _PATH + "/{node_id}/action", self.act),
        ]

    @window("2.1", "2.35")
    def index(self, req: falcon.Request, resp: falcon.Response) -> NoReturn:
        """GET /os-baremetal-nodes"""
        self._access.check(req, "os-baremetal-nodes:list")
        raise errors.NotSupported(feature="Bare metal")

    @window("2.1", "2.35")
    def show(self, req: falcon.Request, resp: falcon.Response, node_id: str) -> NoReturn:
        """GET /os-baremetal-nodes/{node_id}"""
        self._access.check(req, "os-baremetal-nodes:show")
        raise errors.NotSupported(feature="Bare metal")

    @window("2.1", "2.35")
    def create(self, req: falcon.Request, resp: falcon.Response) -> NoReturn:
        """POST /os-baremetal-nodes"""
        raise _elsewhere("node-create")

    @window("2.1", "2.35")
    def delete(self, req: falcon.Request, resp: falcon.Response, node_id: str) -> NoReturn:
        """DELETE /os-baremetal-nodes/{node_id}"""
        raise _elsewhere("node-delete")

    @window("2.1", "2.35")
    def act(self, req: falcon.Request, resp: falcon.Response, node_id: str) -> NoReturn:
        """POST /os-baremetal-nodes/{node_id}/action"""
        body: Any = wsgi.body_of(req)
        for name, command in _ACTIONS.items():
            if isinstance(body, dict) and name in body:
                raise _elsewhere(command)
        raise errors.Invalid("There is no such action")


def _elsewhere(command: str) -> errors.Invalid:
    return errors.Invalid(
        f"Command not supported. Please use Ironic command {command} to perform this action."
    )
