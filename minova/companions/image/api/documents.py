"""Documents that never change: versions and schemas."""

from typing import Any

import falcon

from minova.common import errors, wsgi
from minova.companions.image import schemas

# v2.8 is multiple stores, what follows 2.9 is not here.
_VERSIONS = ("v2.9", "v2.7", "v2.6", "v2.5", "v2.4", "v2.3", "v2.2", "v2.1", "v2.0")
_documents = schemas.published()
_METADEFS = ("namespace", "resource_type", "property", "object", "tag")


def versions(req: falcon.Request, resp: falcon.Response) -> dict[str, Any]:
    """`/` and `/v2` answer 300, `/versions` 200; clients follow the self links."""
    links = [{"rel": "self", "href": f"{wsgi.base_url(req)}/v2/"}]
    return {
        "versions": [
            {"id": name, "status": "SUPPORTED" if number else "CURRENT", "links": links}
            for number, name in enumerate(_VERSIONS)
        ]
    }


def schema(req: falcon.Request, resp: falcon.Response, name: str) -> dict[str, Any]:
    """GET /v2/schemas/NAME."""
    if name not in _documents:
        raise errors.NotFound(f"There is no schema called {name[:64]}.")
    return _documents[name]


def metadef_schema(req: falcon.Request, resp: falcon.Response, name: str) -> dict[str, Any]:
    """Empty shapes of the metadata catalog: clients ask for them before anything else."""
    if name not in _METADEFS:
        raise errors.NotFound(f"There is no schema called metadefs/{name[:64]}.")
    return {"name": name, "properties": {}, "additionalProperties": False}
