"""The body of rebuild, version by version."""

from minova.api.schemas import servers, types
from minova.api.validation import Body, Field

REBUILD = Body(
    "rebuild",
    Field("imageRef", servers.IMAGE, required=True),
    Field("name", types.NAME),
    Field("adminPass", {"type": "string", "maxLength": 255}),
    Field("metadata", types.METADATA),
    Field("preserve_ephemeral", types.BOOLEAN),
    Field("OS-DCF:diskConfig", servers.DISK_CONFIG),
    Field("accessIPv4", servers.ACCESS_IPV4),
    Field("accessIPv6", servers.ACCESS_IPV6),
    Field("personality", types.items(servers.FILE, 1000), until=(2, 56)),
    Field("description", types.TEXT, since=(2, 19)),
    Field("key_name", types.nullable(servers.NAMED), since=(2, 54)),
    Field("user_data", {"type": ["string", "null"], "maxLength": 65535}, since=(2, 57)),
    Field("trusted_image_certificates", servers.CERTIFICATES, since=(2, 63)),
    Field("hostname", servers.SHORT_HOSTNAME, since=(2, 90), until=(2, 93)),
    Field("hostname", servers.LONG_HOSTNAME, since=(2, 94)),
)
