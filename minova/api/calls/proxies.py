"""What other services answer today; and what is gone for good."""

from minova.api.calls.call import Answer, Call, Query
from minova.api.calls.parameters import NUMBER as DIGITS
from minova.api.calls.parameters import TEXT
from minova.api.calls.server_actions import CALLS as SERVER_ACTIONS
from minova.api.calls.server_details import GROUP, RULE
from minova.api.calls.servers import CALLS as SERVERS
from minova.api.calls.shape import (
    COUNT,
    LINKS,
    STAMP,
    STRING,
    UUID,
    Json,
    Shape,
    by_name,
    every,
    has,
    listed,
    may,
    maybe,
    of,
)
from minova.api.microversions import Version
from minova.api.proxies import volumes_boot
from minova.api.proxies.gone import GONE
from minova.api.schemas import proxies as schemas
from minova.api.validation import Field

_LAST: Version = (2, 35)
_LAST_METADATA: Version = (2, 38)
_PAGES = Query(Field("limit", DIGITS), Field("offset", DIGITS))
# The other services' own form: no zone.
_CREATED: Json = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z?$"}

_FLOATING = Shape(
    has("id", UUID),
    has("ip", STRING),
    has("pool", STRING),
    has("fixed_ip", maybe(STRING)),
    has("instance_id", maybe(UUID)),
)
_NETWORK = Shape(has("id", UUID), has("label", STRING), more={"type": "null"})
_OWN_NETWORK = Shape(has("id", UUID), has("label", STRING), has("cidr", STRING))
_ATTACHMENT = Shape(
    may("id", UUID), may("volumeId", UUID), may("serverId", UUID), may("device", STRING)
)
_VOLUME = Shape(
    has("id", UUID),
    has("status", STRING),
    has("size", COUNT),
    has("availabilityZone", maybe(STRING)),
    has("createdAt", _CREATED),
    has("attachments", every(_ATTACHMENT)),
    has("displayName", maybe(STRING)),
    has("displayDescription", maybe(STRING)),
    has("volumeType", maybe(STRING)),
    has("snapshotId", maybe(UUID)),
    has("metadata", by_name(STRING)),
)
_SNAPSHOT = Shape(
    has("id", UUID),
    has("volumeId", UUID),
    has("status", STRING),
    has("size", COUNT),
    has("createdAt", _CREATED),
    has("displayName", maybe(STRING)),
    has("displayDescription", maybe(STRING)),
)
_ANYTHING = by_name({})
_THREE_LINKS = every(Shape(has("rel", STRING), has("href", STRING), may("type", STRING)))
_BRIEF_IMAGE = (has("id", UUID), has("name", maybe(STRING)), has("links", _THREE_LINKS))
_IMAGE = Shape(
    *_BRIEF_IMAGE,
    has("minRam", COUNT),
    has("minDisk", COUNT),
    has("metadata", _ANYTHING),
    has("created", STAMP),
    has("updated", STAMP),
    has("status", {"enum": ["ACTIVE", "SAVING", "DELETED", "ERROR", "UNKNOWN"]}),
    has("progress", COUNT),
    has("OS-EXT-IMG-SIZE:size", COUNT),
    may("server", Shape(has("id", UUID), has("links", LINKS))),
    may("OS-DCF:diskConfig", {"enum": ["AUTO", "MANUAL"]}),
)
_IMAGES = Query(
    Field("limit", DIGITS),
    *(
        Field(name, TEXT)
        for name in (
            *("marker", "name", "status", "changes-since", "server", "type", "minRam", "minDisk"),
        )
    ),
)


def _ok(name: str, shape: object, until: Version = _LAST) -> Answer:
    return Answer(200, of(name, shape), until=until)


def _done(status: int, until: Version = _LAST) -> Answer:
    return Answer(status, until=until)


_GROUPS = {
    "GET /v2.1/os-security-groups": Call(_ok("security_groups", every(GROUP)), query=_PAGES),
    "POST /v2.1/os-security-groups": Call(
        _ok("security_group", GROUP), body=schemas.SECURITY_GROUP
    ),
    "GET /v2.1/os-security-groups/{group_id}": Call(_ok("security_group", GROUP)),
    "PUT /v2.1/os-security-groups/{group_id}": Call(
        _ok("security_group", GROUP), body=schemas.SECURITY_GROUP
    ),
    "DELETE /v2.1/os-security-groups/{group_id}": Call(_done(202)),
    "POST /v2.1/os-security-group-rules": Call(
        _ok("security_group_rule", RULE), body=schemas.SECURITY_GROUP_RULE
    ),
    "DELETE /v2.1/os-security-group-rules/{rule_id}": Call(_done(202), errors=(409,)),
}
_NETWORKS = {
    "GET /v2.1/os-networks": Call(_ok("networks", every(_NETWORK))),
    "GET /v2.1/os-networks/{network_id}": Call(_ok("network", _NETWORK)),
    "GET /v2.1/os-tenant-networks": Call(_ok("networks", every(_OWN_NETWORK))),
    "GET /v2.1/os-tenant-networks/{network_id}": Call(_ok("network", _OWN_NETWORK)),
    "GET /v2.1/os-floating-ip-pools": Call(
        _ok("floating_ip_pools", every(Shape(has("name", STRING))))
    ),
    "GET /v2.1/os-floating-ips": Call(_ok("floating_ips", every(_FLOATING))),
    "POST /v2.1/os-floating-ips": Call(_ok("floating_ip", _FLOATING), body=schemas.FLOATING_IP),
    "GET /v2.1/os-floating-ips/{floating_id}": Call(_ok("floating_ip", _FLOATING)),
    "DELETE /v2.1/os-floating-ips/{floating_id}": Call(_done(202), errors=(409,)),
}
_VOLUMES = {
    "GET /v2.1/os-volumes": Call(_ok("volumes", every(_VOLUME)), query=_PAGES),
    "GET /v2.1/os-volumes/detail": Call(_ok("volumes", every(_VOLUME)), query=_PAGES),
    "POST /v2.1/os-volumes": Call(_ok("volume", _VOLUME), body=schemas.VOLUME),
    "GET /v2.1/os-volumes/{volume_id}": Call(_ok("volume", _VOLUME)),
    "DELETE /v2.1/os-volumes/{volume_id}": Call(_done(202)),
    "GET /v2.1/os-snapshots": Call(_ok("snapshots", every(_SNAPSHOT)), query=_PAGES),
    "GET /v2.1/os-snapshots/detail": Call(_ok("snapshots", every(_SNAPSHOT)), query=_PAGES),
    "POST /v2.1/os-snapshots": Call(_ok("snapshot", _SNAPSHOT), body=schemas.SNAPSHOT),
    "GET /v2.1/os-snapshots/{snapshot_id}": Call(_ok("snapshot", _SNAPSHOT)),
    "DELETE /v2.1/os-snapshots/{snapshot_id}": Call(_done(202)),
}
_METADATA = "/v2.1/images/{image_id}/metadata"
_ALL = Answer(200, of("metadata", _ANYTHING), until=_LAST_METADATA)
_ITEM = Answer(200, of("meta", _ANYTHING), until=_LAST_METADATA)
_IMAGE_CALLS = {
    "GET /v2.1/images": Call(
        Answer(200, listed("images", Shape(*_BRIEF_IMAGE)), until=_LAST), query=_IMAGES
    ),
    "GET /v2.1/images/detail": Call(
        Answer(200, listed("images", _IMAGE), until=_LAST), query=_IMAGES
    ),
    "GET /v2.1/images/{image_id}": Call(_ok("image", _IMAGE)),
    "DELETE /v2.1/images/{image_id}": Call(_done(204), errors=(409,)),
    f"GET {_METADATA}": Call(_ALL),
    f"POST {_METADATA}": Call(_ALL, body=schemas.METADATA),
    f"PUT {_METADATA}": Call(_ALL, body=schemas.METADATA),
    f"GET {_METADATA}/{{key}}": Call(_ITEM),
    f"PUT {_METADATA}/{{key}}": Call(_ITEM, body=schemas.META),
    f"DELETE {_METADATA}/{{key}}": Call(_done(204, _LAST_METADATA)),
}
_NODES = "/v2.1/os-baremetal-nodes"
_BARE_METAL = {
    f"GET {_NODES}": Call(_ok("nodes", every(_ANYTHING)), errors=(501,)),
    f"GET {_NODES}/{{node_id}}": Call(_ok("node", _ANYTHING), errors=(501,)),
    f"POST {_NODES}": Call(Answer(200, until=_LAST)),
    f"DELETE {_NODES}/{{node_id}}": Call(Answer(200, until=_LAST)),
    f"POST {_NODES}/{{node_id}}/action": Call(Answer(200, until=_LAST)),
}


def _also_as_volumes_boot() -> dict[str, Call]:
    found = {}
    for name, call in {**SERVERS, **SERVER_ACTIONS}.items():
        method, path = name.split(" ")
        named = volumes_boot.alias(path)
        if named is not None:
            found[f"{method} {named}"] = call
    return found


CALLS = {
    **_GROUPS,
    **_NETWORKS,
    **_VOLUMES,
    **_IMAGE_CALLS,
    **_BARE_METAL,
    **_also_as_volumes_boot(),
    **{
        f"{method} /v2.1{path}": Call(Answer(200), errors=(410,))
        for path, methods in GONE.items()
        for method in methods
    },
}
