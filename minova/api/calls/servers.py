"""Servers: launch, list, show, change, delete."""

from minova.api import server_filters
from minova.api.calls.call import Answer, Call, Query
from minova.api.calls.flavors import IN_SERVER
from minova.api.calls.parameters import TEXT, TIME
from minova.api.calls.shape import (
    COUNT,
    FLAG,
    LINKS,
    NUMBER,
    PRECISE,
    STAMP,
    STRING,
    STRINGS,
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
from minova.api.microversions import MAX, MIN
from minova.api.schemas import servers as schemas
from minova.api.validation import Field
from minova.model import states

_STATUSES = sorted(
    {shown for row in states.STATUS.values() for shown in row.values()} | {"UNKNOWN"}
)
_DISK_CONFIG: Json = {"enum": ["AUTO", "MANUAL"]}
_IP: Json = {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}, {"const": ""}]}
_ADDRESS = Shape(
    has("version", {"enum": [4, 6]}),
    has("addr", _IP),
    has("OS-EXT-IPS:type", {"enum": ["fixed", "floating"]}),
    has("OS-EXT-IPS-MAC:mac_addr", STRING),
)
_IMAGE = Shape(
    has("id", UUID), has("links", LINKS), has("properties", by_name(maybe(STRING)), (2, 98))
)
_FAULT = Shape(
    has("code", NUMBER), has("message", STRING), has("created", STAMP), may("details", STRING)
)
_VOLUME = Shape(has("id", UUID), has("delete_on_termination", FLAG, (2, 3)))
_GROUP = of("name", STRING)
# Where a server is not shown whole, its addresses are not, either.
_SHORT_ADDRESS = Shape(has("version", {"enum": [4, 6]}), has("addr", _IP))
BRIEF = (has("id", UUID), has("name", STRING), has("links", LINKS))
_COMMON = (
    *BRIEF,
    has("status", {"enum": _STATUSES}),
    has("tenant_id", STRING),
    has("user_id", STRING),
    has("metadata", STRINGS),
    has("hostId", STRING),
    has("image", {"anyOf": [_IMAGE, {"const": ""}]}),
    has("flavor", IN_SERVER),
    has("created", STAMP),
    has("updated", STAMP),
    has("accessIPv4", _IP),
    has("accessIPv6", _IP),
    has("OS-DCF:diskConfig", _DISK_CONFIG),
    may("progress", COUNT),
    may("fault", _FAULT),
    has("locked", FLAG, (2, 9)),
    has("description", maybe(STRING), (2, 19)),
    has("tags", every(STRING), (2, 26)),
    has("trusted_image_certificates", maybe(every(STRING)), (2, 63)),
    has("locked_reason", maybe(STRING), (2, 73)),
    has("pinned_availability_zone", maybe(STRING), (2, 96)),
    has("scheduler_hints", {"type": "object"}, (2, 100)),
)
# What PUT answers before 2.75.
PLAIN = (*_COMMON, has("addresses", by_name(every(_SHORT_ADDRESS))))
GROUPS = has("server_groups", every(UUID), (2, 71))
_EXTENDED = (
    *(may(f"OS-EXT-SRV-ATTR:{name}", maybe(STRING)) for name in ("host", "hypervisor_hostname")),
    may("OS-EXT-SRV-ATTR:instance_name", STRING),
    *(
        may(f"OS-EXT-SRV-ATTR:{name}", maybe(STRING), (2, 3))
        for name in ("reservation_id", "kernel_id", "ramdisk_id", "root_device_name", "user_data")
    ),
    may("OS-EXT-SRV-ATTR:launch_index", COUNT, (2, 3)),
    may("OS-EXT-SRV-ATTR:hostname", STRING, (2, 3), (2, 89)),
    has("OS-EXT-SRV-ATTR:hostname", STRING, (2, 90)),
    may("host_status", {"enum": ["UP", "DOWN", "MAINTENANCE", "UNKNOWN", ""]}, (2, 16)),
)
FULL = (
    *_COMMON,
    has("addresses", by_name(every(_ADDRESS))),
    has("key_name", maybe(STRING)),
    has("config_drive", {"enum": ["True", ""]}),
    may("security_groups", every(_GROUP)),
    has("OS-EXT-AZ:availability_zone", STRING),
    has("OS-EXT-STS:task_state", maybe(STRING)),
    has("OS-EXT-STS:vm_state", STRING),
    has("OS-EXT-STS:power_state", {"enum": [0, 1, 3, 4, 6, 7]}),
    has("OS-SRV-USG:launched_at", maybe(PRECISE)),
    has("OS-SRV-USG:terminated_at", maybe(PRECISE)),
    has("os-extended-volumes:volumes_attached", every(_VOLUME)),
    *_EXTENDED,
)
SERVER = Shape(*FULL, GROUPS)
_CREATED = Shape(
    has("id", UUID),
    has("links", LINKS),
    has("OS-DCF:diskConfig", _DISK_CONFIG),
    has("security_groups", every(_GROUP)),
    may("adminPass", STRING),
)
_TYPED: dict[str, Json] = {"changes-since": TIME, "changes-before": TIME}
_LIST = Query(
    *(
        Field(
            name,
            _TYPED.get(name, TEXT),
            (2, 66) if name == "changes-before" else MIN,
            (2, 74) if name in server_filters.OLD else MAX,
        )
        for name in sorted(server_filters.known())
    ),
    strict=(2, 75),
)

CALLS = {
    "GET /v2.1/servers": Call(Answer(200, listed("servers", Shape(*BRIEF))), query=_LIST),
    "GET /v2.1/servers/detail": Call(Answer(200, listed("servers", Shape(*FULL))), query=_LIST),
    "POST /v2.1/servers": Call(
        Answer(202, {"anyOf": [of("server", _CREATED), of("reservation_id", STRING)]}),
        body=schemas.CREATE,
        errors=(409,),
    ),
    "GET /v2.1/servers/{server_id}": Call(Answer(200, of("server", SERVER))),
    "PUT /v2.1/servers/{server_id}": Call(
        Answer(200, of("server", Shape(*PLAIN, GROUPS)), until=(2, 74)),
        Answer(200, of("server", SERVER), since=(2, 75)),
        body=schemas.UPDATE,
    ),
    "DELETE /v2.1/servers/{server_id}": Call(Answer(204), errors=(409,)),
}
