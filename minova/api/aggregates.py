"""Host aggregates: there are none here yet, which the clients that ask have to hear."""

from typing import Any

import falcon

from minova.api.access import Access
from minova.common.wsgi import Route


class Aggregates:
    """The handler of /os-aggregates."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        return [Route("GET", "/v2.1/os-aggregates", self.index)]

    def index(self, req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
        """GET /os-aggregates"""
        self._access.check(req, "os-aggregates:index")
        return {"aggregates": []}
