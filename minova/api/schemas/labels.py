"""Bodies of the metadata and tag requests of servers."""

from minova.api.schemas import types
from minova.api.schemas.servers import TAGS
from minova.api.validation import Body, Field

METADATA = Body(None, Field("metadata", types.METADATA, required=True))
META = Body(
    None,
    Field("meta", {**types.METADATA, "minProperties": 1, "maxProperties": 1}, required=True),
)
REPLACE_TAGS = Body(None, Field("tags", TAGS, required=True))
