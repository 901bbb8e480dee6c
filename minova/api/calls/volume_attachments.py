"""Volumes of servers."""

from minova.api.calls.call import Answer, Call, Query
from minova.api.calls.parameters import NUMBER
from minova.api.calls.shape import FLAG, STRING, UUID, Shape, every, has, maybe, of
from minova.api.schemas import volume_attachments as schemas
from minova.api.validation import Field

_PLAIN = (
    has("volumeId", UUID),
    has("serverId", UUID),
    has("device", maybe(STRING)),
    has("tag", maybe(STRING), (2, 70)),
    has("delete_on_termination", FLAG, (2, 79)),
)
_SHOWN = Shape(
    *_PLAIN,
    has("id", UUID, until=(2, 88)),
    has("attachment_id", UUID, (2, 89)),
    has("bdm_uuid", UUID, (2, 89)),
)
_PATH = "/v2.1/servers/{server_id}/os-volume_attachments"

CALLS = {
    f"GET {_PATH}": Call(
        Answer(200, of("volumeAttachments", every(_SHOWN))),
        query=Query(Field("limit", NUMBER), Field("offset", NUMBER), strict=(2, 75)),
    ),
    f"POST {_PATH}": Call(
        Answer(200, of("volumeAttachment", Shape(*_PLAIN, has("id", UUID)))),
        body=schemas.ATTACH,
        errors=(409,),
    ),
    f"GET {_PATH}/{{volume_id}}": Call(Answer(200, of("volumeAttachment", _SHOWN))),
    f"PUT {_PATH}/{{volume_id}}": Call(Answer(202), body=schemas.UPDATE, errors=(403, 409)),
    f"DELETE {_PATH}/{{volume_id}}": Call(Answer(202), errors=(409,)),
}
