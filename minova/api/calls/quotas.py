"""Quotas and limits."""

from minova.api.calls.call import Answer, Call, Query
from minova.api.calls.parameters import texts
from minova.api.calls.shape import COUNT, NUMBER, STRING, Shape, every, has, of
from minova.api.microversions import MAX, MIN, Version
from minova.api.schemas import quota_sets as schemas
from minova.api.validation import Field

# quota -> last version that has it
RESOURCES: dict[str, Version] = {
    **dict.fromkeys(("instances", "cores", "ram", "metadata_items", "key_pairs"), MAX),
    **dict.fromkeys(("server_groups", "server_group_members"), MAX),
    **dict.fromkeys(
        ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes"), (2, 56)
    ),
    **dict.fromkeys(
        ("floating_ips", "fixed_ips", "security_groups", "security_group_rules"), (2, 35)
    ),
}
_USE = Shape(has("limit", NUMBER), has("in_use", COUNT), has("reserved", COUNT))


def _set(value: object, *more: Field) -> Shape:
    quotas = (has(name, value, until=until) for name, until in RESOURCES.items())
    return of("quota_set", Shape(*more, *quotas))


def _class(*more: Field) -> Shape:
    """Groups came to classes late, and the network's quotas left them late."""
    fields = []
    for name, until in RESOURCES.items():
        since = (2, 50) if name.startswith("server_group") else MIN
        fields.append(has(name, NUMBER, since, (2, 49) if until == (2, 35) else until))
    return of("quota_class_set", Shape(*more, *fields))


_ID = has("id", STRING)
_USER = Query(*texts("user_id"), strict=(2, 75))
_PATH = "/v2.1/os-quota-sets/{project_id}"
_CLASS = "/v2.1/os-quota-class-sets/{name}"
_NETWORK = ("maxSecurityGroups", "maxSecurityGroupRules", "maxTotalFloatingIps")
_NETWORK_USED = ("totalFloatingIpsUsed", "totalSecurityGroupsUsed")
_ABSOLUTE = Shape(
    *(
        has(name, NUMBER)
        for name in (
            *("maxTotalInstances", "maxTotalCores", "maxTotalRAMSize", "maxTotalKeypairs"),
            *("maxServerMeta", "maxServerGroups", "maxServerGroupMembers"),
        )
    ),
    *(
        has(name, COUNT)
        for name in (
            *("totalInstancesUsed", "totalCoresUsed", "totalRAMUsed", "totalServerGroupsUsed"),
        )
    ),
    has("maxImageMeta", NUMBER, until=(2, 38)),
    *(has(name, NUMBER, until=(2, 56)) for name in ("maxPersonality", "maxPersonalitySize")),
    *(has(name, NUMBER, until=(2, 35)) for name in (*_NETWORK, *_NETWORK_USED)),
)

CALLS = {
    f"GET {_PATH}": Call(Answer(200, _set(NUMBER, _ID)), query=_USER),
    f"GET {_PATH}/detail": Call(Answer(200, _set(_USE, _ID)), query=_USER),
    f"GET {_PATH}/defaults": Call(Answer(200, _set(NUMBER, _ID))),
    f"PUT {_PATH}": Call(Answer(200, _set(NUMBER)), body=schemas.UPDATE, query=_USER),
    f"DELETE {_PATH}": Call(Answer(202), query=_USER),
    f"GET {_CLASS}": Call(Answer(200, _class(_ID))),
    f"PUT {_CLASS}": Call(Answer(200, _class()), body=schemas.UPDATE_CLASS),
    "GET /v2.1/limits": Call(
        Answer(200, of("limits", Shape(has("rate", every(STRING)), has("absolute", _ABSOLUTE)))),
        query=Query(*texts("tenant_id", "reserved"), strict=(2, 75)),
    ),
}
