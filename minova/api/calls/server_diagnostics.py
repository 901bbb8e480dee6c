"""A server's diagnostics, and the password its guest has posted."""

from minova.api.calls.call import Answer, Call
from minova.api.calls.shape import (
    COUNT,
    FLAG,
    NUMBER,
    STRING,
    Json,
    Shape,
    by_name,
    every,
    has,
    maybe,
    of,
)

_SERVER = "/v2.1/servers/{server_id}"
_NUMBER: Json = maybe(NUMBER)
_NIC = Shape(
    has("mac_address", maybe(STRING)),
    *(
        has(f"{way}_{what}", _NUMBER)
        for way in ("rx", "tx")
        for what in ("octets", "packets", "errors", "drop", "rate")
    ),
)
_DISK = Shape(
    *(
        has(name, _NUMBER)
        for name in (
            *("read_bytes", "read_requests", "write_bytes", "write_requests"),
            "errors_count",
        )
    )
)
_POWER_NAMES = ("pending", "running", "paused", "shutdown", "crashed", "suspended")
_NORMALISED = Shape(
    has("state", {"enum": list(_POWER_NAMES)}),
    has("driver", STRING),
    has("hypervisor", maybe(STRING)),
    has("hypervisor_os", maybe(STRING)),
    has("uptime", _NUMBER),
    has("config_drive", FLAG),
    has("num_cpus", COUNT),
    has("num_nics", COUNT),
    has("num_disks", COUNT),
    has("memory_details", Shape(has("maximum", _NUMBER), has("used", _NUMBER))),
    has(
        "cpu_details",
        every(Shape(has("id", _NUMBER), has("time", _NUMBER), has("utilisation", _NUMBER))),
    ),
    has("nic_details", every(_NIC)),
    has("disk_details", every(_DISK)),
)
CALLS = {
    f"GET {_SERVER}/diagnostics": Call(
        Answer(200, by_name(NUMBER), until=(2, 47)),
        Answer(200, _NORMALISED, since=(2, 48)),
        errors=(409, 501),
    ),
    f"GET {_SERVER}/os-server-password": Call(Answer(200, of("password", STRING))),
    f"DELETE {_SERVER}/os-server-password": Call(Answer(204)),
}
