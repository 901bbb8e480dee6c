"""Bodies of PUT /os-quota-sets and /os-quota-class-sets."""

from minova.api.microversions import Version
from minova.api.schemas import types
from minova.api.validation import Body, Field

_LIMIT = types.integer(-1)
_OWN = (
    *("instances", "cores", "ram", "metadata_items", "key_pairs", "server_groups"),
    "server_group_members",
)
_INJECTED = ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
_OF_THE_NETWORK = ("floating_ips", "fixed_ips", "security_groups", "security_group_rules")


def _limits(network_until: Version) -> tuple[Field, ...]:
    return (
        *(Field(name, _LIMIT) for name in _OWN),
        *(Field(name, _LIMIT, until=(2, 56)) for name in _INJECTED),
        *(Field(name, _LIMIT, until=network_until) for name in _OF_THE_NETWORK),
    )


UPDATE = Body("quota_set", *_limits((2, 35)), Field("force", types.BOOLEAN))
UPDATE_CLASS = Body("quota_class_set", *_limits((2, 49)))
