"""The body of PUT /os-quota-sets."""

from minova.api.schemas import types
from minova.api.validation import Body, Field

_LIMIT = types.integer(-1)

UPDATE = Body(
    "quota_set",
    *(
        Field(name, _LIMIT)
        for name in (
            *("instances", "cores", "ram", "metadata_items", "key_pairs", "server_groups"),
            "server_group_members",
        )
    ),
    *(
        Field(name, _LIMIT, until=(2, 56))
        for name in ("injected_files", "injected_file_content_bytes", "injected_file_path_bytes")
    ),
    *(
        Field(name, _LIMIT, until=(2, 35))
        for name in ("floating_ips", "fixed_ips", "security_groups", "security_group_rules")
    ),
    Field("force", types.BOOLEAN),
)
