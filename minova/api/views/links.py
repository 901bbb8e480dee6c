"""Links, as the client reached us: same host, same prefix."""

import falcon

from minova.common import wsgi


def of(req: falcon.Request, path: str) -> list[dict[str, str]]:
    """`self` and `bookmark` of `servers/ID`."""
    own, bookmarked = _prefixes(req)
    return [
        {"rel": "self", "href": own + path},
        {"rel": "bookmark", "href": bookmarked + path},
    ]


def bookmark(req: falcon.Request, path: str) -> list[dict[str, str]]:
    """`bookmark` alone, as flavors and images have in servers."""
    return [{"rel": "bookmark", "href": _prefixes(req)[1] + path}]


def _prefixes(req: falcon.Request) -> tuple[str, str]:
    """What `self` and `bookmark` begin with; found out once for a long list."""
    if "link_prefixes" not in req.context:
        base, prefix = _base(req), req.context.prefix
        project = prefix.partition("/")[2].partition("/")[2]
        bookmarked = f"{base}/{project}/" if project else f"{base}/"
        req.context.link_prefixes = (f"{base}{prefix}/", bookmarked)
    prefixes: tuple[str, str] = req.context.link_prefixes
    return prefixes


def here(req: falcon.Request) -> str:
    """This request's URL without its query."""
    return f"{_base(req)}{req.context.prefix}{req.path.removeprefix('/v2.1')}"


def _base(req: falcon.Request) -> str:
    if "base_url" not in req.context:
        req.context.base_url = wsgi.base_url(req)
    return str(req.context.base_url)
