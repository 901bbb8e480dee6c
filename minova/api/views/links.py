"""Links, as the client reached us: same host, same prefix."""

import falcon

from minova.common import wsgi


def of(req: falcon.Request, path: str) -> list[dict[str, str]]:
    """`self` and `bookmark` of `servers/ID`."""
    base = _base(req)
    prefix = req.context.prefix
    project = prefix.partition("/")[2].partition("/")[2]
    bookmark = f"{base}/{project}/{path}" if project else f"{base}/{path}"
    return [
        {"rel": "self", "href": f"{base}{prefix}/{path}"},
        {"rel": "bookmark", "href": bookmark},
    ]


def bookmark(req: falcon.Request, path: str) -> list[dict[str, str]]:
    """`bookmark` alone, as flavors and images have in servers."""
    return of(req, path)[1:]


def here(req: falcon.Request) -> str:
    """This request's URL without its query."""
    return f"{_base(req)}{req.context.prefix}{req.path.removeprefix('/v2.1')}"


def _base(req: falcon.Request) -> str:
    if "base_url" not in req.context:
        req.context.base_url = wsgi.base_url(req)
    return str(req.context.base_url)
