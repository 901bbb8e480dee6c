"""Server groups."""

from minova.api.calls.call import Answer, Call, Query
from minova.api.calls.parameters import NUMBER, TEXT
from minova.api.calls.shape import COUNT, STRING, UUID, Shape, every, has, may, of
from minova.api.schemas import server_groups as schemas
from minova.api.validation import Field

_POLICY = {"enum": ["affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"]}
_GROUP = Shape(
    has("id", UUID),
    has("name", STRING),
    has("members", every(UUID)),
    has("policies", every(_POLICY), until=(2, 63)),
    has("metadata", Shape(), until=(2, 63)),
    has("project_id", STRING, (2, 13)),
    has("user_id", STRING, (2, 13)),
    has("policy", _POLICY, (2, 64)),
    has("rules", Shape(may("max_server_per_host", COUNT)), (2, 64)),
)
_LIST = Query(
    Field("all_projects", TEXT), Field("limit", NUMBER), Field("offset", NUMBER), strict=(2, 75)
)
_PATH = "/v2.1/os-server-groups"

CALLS = {
    f"GET {_PATH}": Call(Answer(200, of("server_groups", every(_GROUP))), query=_LIST),
    f"POST {_PATH}": Call(Answer(200, of("server_group", _GROUP)), body=schemas.CREATE),
    f"GET {_PATH}/{{group_id}}": Call(Answer(200, of("server_group", _GROUP))),
    f"DELETE {_PATH}/{{group_id}}": Call(Answer(204)),
}
