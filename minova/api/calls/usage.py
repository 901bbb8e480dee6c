"""Usage, its audits, hosts as they once were, and snapshots with the hypervisor's help."""

from minova.api.calls.call import Answer, Call, Query
from minova.api.calls.parameters import paged, texts
from minova.api.calls.shape import (
    COUNT,
    LINKS,
    NUMBER,
    PRECISE,
    STRING,
    UUID,
    Json,
    Shape,
    every,
    has,
    may,
    maybe,
    of,
)
from minova.api.microversions import Version
from minova.api.schemas import assisted_snapshots, hosts
from minova.api.validation import Field

_FLOAT: Json = {"type": "number", "minimum": 0}
_SERVER = Shape(
    has("instance_id", UUID),
    *(has(name, STRING) for name in ("name", "tenant_id", "flavor", "state")),
    *(has(name, COUNT) for name in ("vcpus", "memory_mb", "local_gb", "uptime")),
    has("hours", _FLOAT),
    has("started_at", PRECISE),
    has("ended_at", maybe(PRECISE)),
)
_TOTALS = ("total_local_gb_usage", "total_vcpus_usage", "total_memory_mb_usage", "total_hours")
_SUMMARY = (
    has("tenant_id", STRING),
    *(has(name, _FLOAT) for name in _TOTALS),
    has("start", PRECISE),
    has("stop", PRECISE),
)
_LIST = Shape(
    has("tenant_usages", every(Shape(*_SUMMARY, may("server_usages", every(_SERVER))))),
    may("tenant_usages_links", LINKS, (2, 40)),
)
_ONE = Shape(
    has(
        "tenant_usage",
        {"anyOf": [Shape(*_SUMMARY, has("server_usages", every(_SERVER))), Shape()]},
    ),
    may("tenant_usage_links", LINKS, (2, 40)),
)
_PAGES: tuple[Field, ...] = paged((2, 40))
_USAGE, _AUDIT = "/v2.1/os-simple-tenant-usage", "/v2.1/os-instance_usage_audit_log"
_LOG = Shape(
    *(has(name, STRING) for name in ("period_beginning", "period_ending", "overall_status")),
    *(
        has(name, COUNT)
        for name in (
            *("num_hosts", "num_hosts_done", "num_hosts_running", "num_hosts_not_run"),
            *("total_instances", "total_errors"),
        )
    ),
    has("hosts_not_run", every(STRING)),
    has("log", {"type": "object"}),
)

_HOST = "/v2.1/os-hosts/{host}"
_HOSTS_UNTIL: Version = (2, 42)
_RESOURCE = Shape(
    has("host", STRING),
    has("project", STRING),
    *(has(name, NUMBER) for name in ("cpu", "memory_mb", "disk_gb")),
)
_LISTED = Shape(*(has(name, STRING) for name in ("host_name", "service", "zone")))
_POWER = Call(
    Answer(200, Shape(has("host", STRING), has("power_action", STRING)), until=_HOSTS_UNTIL),
    errors=(501,),
)
_ASSISTED = "/v2.1/os-assisted-volume-snapshots"

CALLS = {
    f"GET {_USAGE}": Call(
        Answer(200, _LIST),
        query=Query(*texts("start", "end", "detailed"), *_PAGES, strict=(2, 75)),
    ),
    f"GET {_USAGE}/{{project_id}}": Call(
        Answer(200, _ONE), query=Query(*texts("start", "end"), *_PAGES, strict=(2, 75))
    ),
    f"GET {_AUDIT}": Call(Answer(200, of("instance_usage_audit_logs", _LOG))),
    f"GET {_AUDIT}/{{before}}": Call(Answer(200, of("instance_usage_audit_log", _LOG))),
    "GET /v2.1/os-hosts": Call(
        Answer(200, of("hosts", every(_LISTED)), until=_HOSTS_UNTIL), query=Query(*texts("zone"))
    ),
    f"GET {_HOST}": Call(
        Answer(200, of("host", every(of("resource", _RESOURCE))), until=_HOSTS_UNTIL)
    ),
    f"PUT {_HOST}": Call(
        Answer(
            200,
            Shape(
                has("host", STRING),
                may("status", {"enum": ["enabled", "disabled"]}),
                may("maintenance_mode", STRING),
            ),
            until=_HOSTS_UNTIL,
        ),
        body=hosts.UPDATE,
        errors=(501,),
    ),
    f"GET {_HOST}/startup": _POWER,
    f"GET {_HOST}/shutdown": _POWER,
    f"GET {_HOST}/reboot": _POWER,
    f"POST {_ASSISTED}": Call(
        Answer(200, of("snapshot", Shape(has("id", maybe(STRING)), has("volumeId", STRING)))),
        body=assisted_snapshots.CREATE,
    ),
    f"DELETE {_ASSISTED}/{{snapshot_id}}": Call(
        Answer(204), query=Query(*texts("delete_info"), strict=(2, 75))
    ),
}
