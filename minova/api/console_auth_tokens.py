"""What a console's token opens, for console proxies other than ours."""

import re
from typing import Any

import falcon

from minova.api.access import Access
from minova.common import errors
from minova.common.wsgi import Route
from minova.db import console_tokens

_TOO_OLD = (
    "Before microversion 2.31 only RDP consoles could be looked up, and there are none any more. "
    "Use 2.31 or later."
)
_SECRET = re.compile(r"(?<=/os-console-auth-tokens/).*", re.DOTALL)


def shown_path(path: str) -> str:
    """`path` as logs and spans may have it: without a console's token."""
    return _SECRET.sub("…", path)


class ConsoleAuthTokens:
    """The handler of /os-console-auth-tokens/{token}."""

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        return [Route("GET", "/v2.1/os-console-auth-tokens/{token}", self.show)]

    def show(self, req: falcon.Request, resp: falcon.Response, token: str) -> dict[str, Any]:
        """GET /os-console-auth-tokens/{token}

        Here consoles listen nowhere: nova-compute hands them over. Hence port 0.
        """
        self._access.check(req, "os-console-auth-tokens")
        if req.context.version < (2, 31):
            raise errors.Invalid(_TOO_OLD)
        found = console_tokens.find(self._access.db, token)
        if found is None:
            raise errors.NotFound("Token not found")
        shown: dict[str, Any] = {
            "instance_uuid": found.instance_uuid,
            "host": found.host,
            "port": 0,
            "internal_access_path": None,
        }
        if req.context.version >= (2, 99):
            shown["tls_port"] = None
        return {"console": shown}
