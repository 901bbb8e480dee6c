"""Random launches and actions: whatever the body, it is refused or done, never a 5xx."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.nova import Nova

PROFILES = ("embedded", "mariadb")
EXAMPLES = 60
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
WORDS = st.sampled_from(
    (
        *("", "x", "a" * 300, "\x00", "\ud7ff\U0001f600", "none", "auto", "0", "-1", "1e99", "nan"),
        *("00000000-0000-0000-0000-000000000000", "../../etc/passwd", "' OR 1=1 --", "10.9.0.300"),
    )
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | WORDS
    | st.text(max_size=20)
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(WORDS | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
FIELDS = (
    *("name", "flavorRef", "imageRef", "networks", "security_groups", "key_name", "metadata"),
    *("user_data", "config_drive", "availability_zone", "min_count", "max_count", "tags"),
    *("block_device_mapping", "block_device_mapping_v2", "description", "hostname", "adminPass"),
    *("accessIPv4", "accessIPv6", "personality", "OS-DCF:diskConfig", "host", "bogus"),
    *("trusted_image_certificates", "return_reservation_id"),
)
DEVICES = st.lists(
    st.fixed_dictionaries(
        {"source_type": st.sampled_from(["image", "volume", "snapshot", "blank"]) | WORDS},
        optional={
            "uuid": WORDS,
            "destination_type": st.sampled_from(["local", "volume"]) | WORDS,
            "boot_index": st.sampled_from([0, 1, -1, None, "0", 2**70]),
            "volume_size": st.sampled_from([1, 0, "1", 2**70, None]),
            "device_name": WORDS,
            "delete_on_termination": st.booleans() | WORDS,
            "tag": WORDS,
            "no_device": JSON,
        },
    ),
    max_size=3,
)
NETWORKS = st.lists(
    st.fixed_dictionaries(
        {}, optional={"uuid": WORDS, "port": WORDS | st.none(), "fixed_ip": WORDS, "tag": WORDS}
    ),
    max_size=3,
)
LIKELY = {
    "block_device_mapping_v2": DEVICES,
    "networks": NETWORKS,
    "metadata": st.dictionaries(WORDS | st.text(max_size=5), SCALARS, max_size=3),
    "tags": st.lists(WORDS | st.text(max_size=5), max_size=3),
    "min_count": st.sampled_from([0, 1, 2, -1, "2", 2**70, 1.5]),
    "max_count": st.sampled_from([0, 1, 2, -1, "2", 2**70, 1.5]),
}
CHANGES = st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=3) | st.builds(
    dict, st.fixed_dictionaries({}, optional=LIKELY)
)
VERSIONS = st.sampled_from(["2.1", "2.37", "2.42", "2.74", "2.96", "2.100"])
ACTIONS = st.sampled_from(
    (
        *(
            "os-start",
            "os-stop",
            "reboot",
            "os-getConsoleOutput",
            "resize",
            "rebuild",
            "createImage",
        ),
        *("addSecurityGroup", "lock", "unlock", "os-resetState", "nope", "\x00", "a" * 300),
    )
)


def clean(nova: Nova) -> None:
    """Delete whatever a lucky body has launched."""
    nova.delete(*(s["id"] for s in nova.get("/servers")["servers"]))


def test_random_launches_reach_no_5xx(nova: Nova, left_as_found: None) -> None:
    @SETTINGS
    @given(changes=CHANGES, version=VERSIONS, beside=st.dictionaries(WORDS, JSON, max_size=1))
    def launch(changes: dict[str, Any], version: str, beside: dict[str, Any]) -> None:
        body = {"server": {**nova.request(networks="none")["server"], **changes}, **beside}
        answer = nova.call("POST", "/servers", body, version=version)
        assert answer.status_code < 500, (body, answer.text)
        assert answer.status_code == 202 or len(answer.text) < 2000

    launch()
    clean(nova)


@pytest.mark.parametrize("path", ["/servers", "/flavors", "/os-keypairs", "/servers/x/action"])
def test_random_bodies_reach_no_5xx(nova: Nova, path: str, left_as_found: None) -> None:
    @SETTINGS
    @given(body=JSON)
    def send(body: Any) -> None:
        answer = nova.call("POST", path, body, user="admin")
        assert 400 <= answer.status_code < 500, (body, answer.text)

    send()


def test_random_actions_and_queries_reach_no_5xx(nova: Nova, left_as_found: None) -> None:
    server_id = nova.launch(name="acted-upon", networks="none")

    @SETTINGS
    @given(action=ACTIONS, value=JSON, version=VERSIONS)
    def act(action: str, value: Any, version: str) -> None:
        answer = nova.act(server_id, action, value, version=version)
        # Nova's own word for an action that a cloud does not have is 501.
        assert answer.status_code < 500 or answer.status_code == 501, (action, value, answer.text)

    @SETTINGS
    @given(query=st.dictionaries(QUERIES, WORDS | st.text(max_size=9), min_size=1, max_size=3))
    def ask(query: dict[str, str]) -> None:
        answer = nova.call("GET", "/servers/detail", params=query)
        assert answer.status_code < 500, (query, answer.text)

    act()
    ask()
    nova.settled(server_id)
    clean(nova)


QUERIES = st.sampled_from(
    (
        *(
            "name",
            "status",
            "limit",
            "marker",
            "sort_key",
            "sort_dir",
            "changes-since",
            "ip",
            "image",
        ),
        *("flavor", "all_tenants", "tags", "not-tags", "host", "vm_state", "uuid", "deleted", "x"),
        *("created_at", "launched_at", "power_state", "progress", "locked", "config_drive"),
    )
)
