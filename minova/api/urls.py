"""The forms one resource's URL may have.

`/v2.1/servers`, `/v2.1/PROJECT/servers` and, for the clients of old, the same
under `/v2`, which is version 2.1 without microversions.
"""

import re

import falcon

from minova.common import errors

_PROJECT_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")


def rewrite(req: falcon.Request) -> None:
    """Bring the path to its `/v2.1/…` form, and remember in `prefix` how the client said it."""
    _, _, rest = req.path.partition("/")
    version, slash, rest = rest.partition("/")
    req.context.legacy = version == "v2"
    req.context.prefix = f"/{version}" if version in ("v2", "v2.1") else "/v2.1"
    if not slash or version not in ("v2", "v2.1"):
        return
    if req.method == "DELETE" and req.env["PATH_INFO"].endswith("/"):
        # A resource with an empty id, not the whole collection.
        raise errors.NotFound("The resource could not be found.")
    if rest and req.env["PATH_INFO"].endswith("/"):
        # A path without the id that its client forgot is none, not its collection's.
        raise errors.NotFound("The resource could not be found.")
    first, _, tail = rest.partition("/")
    own = req.context.ctxt.project_id
    if tail and (first == own or _PROJECT_ID.fullmatch(first)):
        if own is not None and first != own:
            raise errors.Invalid(
                f"Malformed request URL: URL's project_id '{first}' doesn't match "
                f"Context's project_id '{own}'"
            )
        req.context.prefix += f"/{first}"
        rest = tail
    req.path = f"/v2.1/{rest}"
