"""Whatever is sent, the answer is never a 5xx and the service stays up."""

import json
import random
import uuid
from typing import Any

VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 2**31, 2**63, 2**200, "", "x", "x" * 70_000, "é\u202e", "\0", "\ud800",
    "raw", "qcow2", "public", "in:a,b", "../..", "a/b~1", [], ["a"], [[]], {}, {"a": {"b": []}},
    "00000000-0000-0000-0000-000000000000", "1e400", "²", "%s%n", "'; drop table images; --",
]  # fmt: skip
NAMES = [
    *("id", "name", "visibility", "protected", "os_hidden", "owner", "container_format"),
    *("disk_format", "min_ram", "min_disk", "tags", "size", "status", "own", "os_glance_x", ""),
    *("member", "method", "locations", "\0", "x" * 400),
]
QUERY = [
    *("limit", "marker", "sort", "sort_key", "sort_dir", "name", "id", "tag", "size_min", "owner"),
    *("visibility", "member_status", "created_at", "os_hidden", "protected", "own", "\0"),
]
ROUNDS = 250


def text_of(value: Any) -> bytes:
    return str(value)[:2000].encode("utf-8", "replace")


def test_no_body_path_or_query_breaks_the_service(demo: Any, cloud: Any) -> None:
    dice = random.Random(20261121)
    images = [demo.create()["id"], demo.make()["id"], str(uuid.uuid4()), "x", "%00", "%ff"]
    paths = [
        "", "/file", "/stage", "/import", "/members", "/members/other", "/members/%00",
        "/tags/a", "/tags/%ed%a0%80", "/actions/deactivate", "/actions/reactivate",
    ]  # fmt: skip
    media = [
        "application/json",
        "application/openstack-images-v2.1-json-patch",
        "application/openstack-images-v2.0-json-patch",
        "application/octet-stream",
        "text/plain",
        "",
    ]
    for _ in range(ROUNDS):
        operations = [
            {
                "op": dice.choice([*VALUES, "add", "replace", "remove"]),
                "path": f"/{dice.choice(NAMES)}",
                "value": dice.choice(VALUES),
            }
        ]
        things = {dice.choice(NAMES): dice.choice(VALUES) for _ in range(dice.randrange(4))}
        body = dice.choice([operations, things, dice.choice(VALUES)])
        method = dice.choice(["POST", "PATCH", "PUT", "PATCH", "GET"])
        path = f"/v2/images/{dice.choice(images)}{dice.choice(paths)}"
        if dice.random() < 0.3:
            path = "/v2/images"
        answer = demo.request(
            method,
            path,
            data=json.dumps(body).encode(),
            params={dice.choice(QUERY): text_of(dice.choice(VALUES))},
            headers={"Content-Type": dice.choice(media)},
        )
        assert answer.status_code < 500, (method, path, body, answer.text)
        if answer.status_code >= 400:
            assert set(answer.json()) == {"message", "code", "title"}
            assert str(cloud.folder) not in answer.text and "Traceback" not in answer.text
    for number in range(ROUNDS):
        params = {dice.choice(QUERY): text_of(dice.choice(VALUES))}
        answer = demo.get("/v2/images", params=params)
        assert answer.status_code in (200, 400), (number, params, answer.text)
