"""The cloud behind the servers: services, hypervisors, zones."""

from minova.api.calls.call import Answer, Call, Query
from minova.api.calls.parameters import TEXT, paged, texts
from minova.api.calls.shape import (
    COUNT,
    FLAG,
    NUMBER,
    PRECISE,
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
from minova.api.schemas import services as schemas
from minova.api.schemas import types
from minova.api.validation import Field

_STATE: Json = {"enum": ["up", "down", "unknown"]}
_STATUS: Json = {"enum": ["enabled", "disabled"]}
_ID = (has("id", NUMBER, until=(2, 52)), has("id", UUID, (2, 53)))
_SERVICE = Shape(
    *_ID,
    has("binary", STRING),
    has("host", STRING),
    has("zone", STRING),
    has("status", _STATUS),
    has("state", _STATE),
    has("updated_at", maybe(PRECISE)),
    has("disabled_reason", maybe(STRING)),
    has("forced_down", FLAG, (2, 11)),
)
# What PUT /os-services/{enable,…} answers before 2.53.
_CHANGED = Shape(
    has("host", STRING),
    has("binary", STRING),
    may("status", _STATUS),
    may("disabled_reason", STRING),
    may("forced_down", FLAG, (2, 11)),
)

COUNTERS = (
    *("vcpus", "vcpus_used", "memory_mb", "memory_mb_used", "local_gb", "local_gb_used"),
    *("current_workload", "running_vms"),
)
_FREE = ("free_ram_mb", "free_disk_gb")
_GUEST = Shape(has("uuid", UUID), has("name", STRING))
_GUESTS = may("servers", every(_GUEST), (2, 53))
_BRIEF = (
    *_ID,
    has("hypervisor_hostname", STRING),
    has("state", _STATE),
    has("status", _STATUS),
)
_HYPERVISOR = Shape(
    *_BRIEF,
    has("hypervisor_type", STRING),
    has("hypervisor_version", NUMBER),
    has("host_ip", maybe(STRING)),
    has("service", Shape(*_ID, has("host", STRING), has("disabled_reason", maybe(STRING)))),
    *(has(name, COUNT, until=(2, 87)) for name in COUNTERS),
    *(has(name, NUMBER, until=(2, 87)) for name in _FREE),
    has("disk_available_least", maybe(NUMBER), until=(2, 87)),
    has("cpu_info", STRING, until=(2, 27)),
    has("cpu_info", {"type": "object"}, (2, 28), (2, 87)),
    has("uptime", maybe(STRING), (2, 88)),
    _GUESTS,
)
_STATISTICS = Shape(
    has("count", COUNT),
    *(has(name, COUNT) for name in COUNTERS),
    *(has(name, NUMBER) for name in (*_FREE, "disk_available_least")),
)
_FOUND = of("hypervisors", every(Shape(*_BRIEF)))
_FOUND_SERVERS = of("hypervisors", every(Shape(*_BRIEF, may("servers", every(_GUEST)))))
_LIST = Query(
    *paged((2, 33)),
    Field("hypervisor_hostname_pattern", TEXT, (2, 53)),
    Field("with_servers", types.BOOLEAN, (2, 53)),
    strict=(2, 53),
)
_ONE = Query(Field("with_servers", types.BOOLEAN, (2, 53)), strict=(2, 53))
_PATH = "/v2.1/os-hypervisors"

_ZONE_SERVICE = Shape(
    has("available", FLAG), has("active", FLAG), has("updated_at", maybe(PRECISE))
)
_ZONE = (has("zoneName", STRING), has("zoneState", of("available", FLAG)))

CALLS = {
    "GET /v2.1/os-services": Call(
        Answer(200, of("services", every(_SERVICE))),
        query=Query(*texts("host", "binary"), strict=(2, 75)),
    ),
    "PUT /v2.1/os-services/{service_id}": Call(
        Answer(200, of("service", _CHANGED), until=(2, 52)),
        Answer(200, of("service", _SERVICE), since=(2, 53)),
        body=(schemas.UPDATE_BY_NAME, schemas.UPDATE),
    ),
    "DELETE /v2.1/os-services/{service_id}": Call(Answer(204), errors=(409,)),
    f"GET {_PATH}": Call(
        Answer(200, listed("hypervisors", Shape(*_BRIEF, _GUESTS), (2, 33))), query=_LIST
    ),
    f"GET {_PATH}/detail": Call(
        Answer(200, listed("hypervisors", _HYPERVISOR, (2, 33))), query=_LIST
    ),
    f"GET {_PATH}/statistics": Call(Answer(200, of("hypervisor_statistics", _STATISTICS))),
    f"GET {_PATH}/{{hypervisor_id}}": Call(Answer(200, of("hypervisor", _HYPERVISOR)), query=_ONE),
    f"GET {_PATH}/{{hypervisor_id}}/uptime": Call(
        Answer(200, of("hypervisor", Shape(*_BRIEF, has("uptime", STRING)))), errors=(501,)
    ),
    f"GET {_PATH}/{{hypervisor_id}}/search": Call(Answer(200, _FOUND)),
    f"GET {_PATH}/{{hypervisor_id}}/servers": Call(Answer(200, _FOUND_SERVERS)),
    "GET /v2.1/os-availability-zone": Call(
        Answer(
            200, of("availabilityZoneInfo", every(Shape(*_ZONE, has("hosts", {"type": "null"}))))
        )
    ),
    "GET /v2.1/os-availability-zone/detail": Call(
        Answer(
            200,
            of(
                "availabilityZoneInfo",
                every(Shape(*_ZONE, has("hosts", maybe(by_name(by_name(_ZONE_SERVICE)))))),
            ),
        )
    ),
}
