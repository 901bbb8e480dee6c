"""What hangs on a server: addresses, metadata, tags, interfaces, groups, actions."""

from minova.api.calls.call import Answer, Call, Query
from minova.api.calls.parameters import TIME, paged
from minova.api.calls.shape import (
    COUNT,
    LINKS,
    PRECISE,
    STRING,
    STRINGS,
    UUID,
    Shape,
    by_name,
    every,
    has,
    may,
    maybe,
    of,
)
from minova.api.schemas import interfaces as interface_schemas
from minova.api.schemas import labels as schemas
from minova.api.validation import Field

_SERVER = "/v2.1/servers/{server_id}"
_ADDRESS = Shape(has("version", {"enum": [4, 6]}), has("addr", STRING))
_ADDRESSES = by_name(every(_ADDRESS))
_NODE = Shape(
    may("cpu_pinning", {"type": "object"}),
    may("host_node", COUNT),
    has("memory_mb", COUNT),
    has("siblings", every(every(COUNT))),
    has("vcpu_set", every(COUNT)),
)
_METADATA, _META = of("metadata", STRINGS), of("meta", {**STRINGS, "maxProperties": 1})
_TAGS = of("tags", every(STRING))
_FIXED_IP = Shape(has("subnet_id", UUID), has("ip_address", STRING))
INTERFACE = Shape(
    has("net_id", UUID),
    has("port_id", UUID),
    has("mac_addr", STRING),
    has("port_state", STRING),
    has("fixed_ips", every(_FIXED_IP)),
    has("tag", maybe(STRING), (2, 70)),
)
RULE = Shape(
    has("id", UUID),
    has("parent_group_id", UUID),
    has("ip_protocol", maybe(STRING)),
    has("from_port", maybe({"type": "integer"})),
    has("to_port", maybe({"type": "integer"})),
    has("group", Shape(may("tenant_id", STRING), may("name", STRING))),
    has("ip_range", Shape(may("cidr", STRING))),
)
GROUP = Shape(
    has("id", UUID),
    has("name", STRING),
    has("description", STRING),
    has("tenant_id", STRING),
    has("rules", every(RULE)),
)
_ACTION = (
    has("action", STRING),
    has("instance_uuid", UUID),
    has("request_id", STRING),
    has("user_id", maybe(STRING)),
    has("project_id", maybe(STRING)),
    has("start_time", PRECISE),
    has("message", maybe(STRING)),
    has("updated_at", maybe(PRECISE), (2, 58)),
)
_EVENT = Shape(
    has("event", STRING),
    has("start_time", PRECISE),
    has("finish_time", maybe(PRECISE)),
    has("result", maybe(STRING)),
    may("traceback", maybe(STRING)),
    may("host", maybe(STRING), (2, 62)),
    has("hostId", STRING, (2, 62)),
    may("details", maybe(STRING), (2, 84)),
)
_EVENTS = every(_EVENT)
_ACTIONS = Query(
    *paged((2, 58)),
    Field("changes-since", TIME, (2, 58)),
    Field("changes-before", TIME, (2, 66)),
    strict=(2, 58),
)

CALLS = {
    f"GET {_SERVER}/ips": Call(Answer(200, of("addresses", _ADDRESSES))),
    f"GET {_SERVER}/ips/{{label}}": Call(Answer(200, {**_ADDRESSES, "maxProperties": 1})),
    f"GET {_SERVER}/topology": Call(
        Answer(200, Shape(has("nodes", every(_NODE)), has("pagesize_kb", maybe(COUNT)))),
    ),
    f"GET {_SERVER}/metadata": Call(Answer(200, _METADATA)),
    f"POST {_SERVER}/metadata": Call(Answer(200, _METADATA), body=schemas.METADATA, errors=(409,)),
    f"PUT {_SERVER}/metadata": Call(Answer(200, _METADATA), body=schemas.METADATA, errors=(409,)),
    f"GET {_SERVER}/metadata/{{key}}": Call(Answer(200, _META)),
    f"PUT {_SERVER}/metadata/{{key}}": Call(Answer(200, _META), body=schemas.META, errors=(409,)),
    f"DELETE {_SERVER}/metadata/{{key}}": Call(Answer(204), errors=(409,)),
    f"GET {_SERVER}/tags": Call(Answer(200, _TAGS)),
    f"PUT {_SERVER}/tags": Call(Answer(200, _TAGS), body=schemas.REPLACE_TAGS, errors=(409,)),
    f"DELETE {_SERVER}/tags": Call(Answer(204), errors=(409,)),
    f"GET {_SERVER}/tags/{{tag}}": Call(Answer(204)),
    f"PUT {_SERVER}/tags/{{tag}}": Call(Answer(201), Answer(204), errors=(409,)),
    f"DELETE {_SERVER}/tags/{{tag}}": Call(Answer(204), errors=(409,)),
    f"GET {_SERVER}/os-interface": Call(Answer(200, of("interfaceAttachments", every(INTERFACE)))),
    f"POST {_SERVER}/os-interface": Call(
        Answer(200, of("interfaceAttachment", INTERFACE)),
        body=interface_schemas.ATTACH,
        errors=(409, 500),
    ),
    f"GET {_SERVER}/os-interface/{{port_id}}": Call(
        Answer(200, of("interfaceAttachment", INTERFACE))
    ),
    f"DELETE {_SERVER}/os-interface/{{port_id}}": Call(Answer(202), errors=(409,)),
    f"GET {_SERVER}/os-security-groups": Call(Answer(200, of("security_groups", every(GROUP)))),
    f"GET {_SERVER}/os-instance-actions": Call(
        Answer(
            200,
            Shape(has("instanceActions", every(Shape(*_ACTION))), may("links", LINKS, (2, 58))),
        ),
        query=_ACTIONS,
    ),
    f"GET {_SERVER}/os-instance-actions/{{request_id}}": Call(
        Answer(
            200,
            of(
                "instanceAction",
                Shape(
                    *_ACTION, may("events", _EVENTS, until=(2, 50)), has("events", _EVENTS, (2, 51))
                ),
            ),
        )
    ),
}
