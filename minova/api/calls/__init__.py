"""Every call of the compute API: what it takes and what it answers, version by version.

A resource `minova/api/<topic>.py` has its table in `minova/api/calls/<topic>.py`:
its name is a method and a path of the route table, its value a `Call`:

    WIDGET = Shape(has("id", UUID), has("name", STRING), has("color", STRING, (2, 73)))
    CALLS = {
        "GET /v2.1/os-widgets": Call(Answer(200, listed("widgets", WIDGET)), query=PAGES),
        "POST /v2.1/os-widgets": Call(Answer(200, of("widget", WIDGET)), body=schemas.CREATE),
        "DELETE /v2.1/os-widgets/{id}": Call(Answer(202), errors=(409,)),
    }

`has` and `may` (a field that some do not see) take the first and the last
version that knows the field; so does `Answer`, when a status or a whole body
depends on it. `errors` are the statuses of refusals besides 400, 401, 403,
404, 406, 413, 415 and 503. A server action's answers stand in
`server_actions.ACTIONS`, by its name; its body stands in its row.

To add a resource: write its table, put it into `CALLS` here. A test fails for
a route without a call and for a call without a route. Queries are checked
before a handler runs (`check.guarded`), answers in every cloud that tests
start (`check.watcher`): a wrong one becomes a 500 that says what is wrong.
`minova openapi` writes the table down as an OpenAPI document.
"""

from minova.api.calls import (
    aggregates,
    consoles,
    extensions,
    flavors,
    hosts,
    keypairs,
    migrations,
    proxies,
    quotas,
    server_actions,
    server_details,
    server_diagnostics,
    server_groups,
    servers,
    usage,
    versions,
    volume_attachments,
)
from minova.api.calls.call import Answer, Call, Query

__all__ = ["CALLS", "Answer", "Call", "Query"]

CALLS: dict[str, Call] = {
    **versions.CALLS,
    **servers.CALLS,
    **server_actions.CALLS,
    **server_details.CALLS,
    **server_diagnostics.CALLS,
    **consoles.CALLS,
    **volume_attachments.CALLS,
    **flavors.CALLS,
    **keypairs.CALLS,
    **migrations.CALLS,
    **hosts.CALLS,
    **aggregates.CALLS,
    **server_groups.CALLS,
    **quotas.CALLS,
    **usage.CALLS,
    **extensions.CALLS,
    **proxies.CALLS,
}
