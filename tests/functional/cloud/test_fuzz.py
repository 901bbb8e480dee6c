"""Random requests to launch, and to the companions: refused or done, never a 5xx.

What the compute API documents of itself is tried in `test_openapi_fuzz`.

The examples are the same at each run. `MINOVA_FUZZ=1000` tries so many new ones.
"""

import os
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cloud import Cloud
from tests.nova import Nova

PROFILES = ("embedded", "mariadb", "postgresql")
MANY = int(os.environ.get("MINOVA_FUZZ", "0"))
SETTINGS = settings(
    max_examples=MANY or 30,
    deadline=None,
    derandomize=not MANY,
    database=None,
    suppress_health_check=list(HealthCheck),
)
UNKNOWN = "00000000-0000-0000-0000-000000000000"
STRANGE = st.sampled_from(
    (
        *("", " ", "x", "a" * 300, "\x00", "a\x00b", "\ud800", "\U0001f600", "\n", "e\u0301"),
        *("none", "auto", "default", "0", "-1", "1e99", "nan", "true", UNKNOWN, "10.9.0.300"),
        *("10.9.0.0/22", "::1", "../../etc/passwd", "' OR 1=1 --", "%00", "${x}", "f" * 32),
    )
)
NUMBERS = st.sampled_from([0, 1, 2, -1, 1.5, 2**31, 2**63, 2**70, "1", "2", None, True])
SCALARS = (
    STRANGE
    | NUMBERS
    | st.text(max_size=20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(min_value=-(2**70), max_value=2**70)
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(STRANGE | st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=8,
)
TEXTS = STRANGE | st.text(max_size=20)
PAIRS = st.dictionaries(TEXTS, TEXTS, max_size=3)


def some(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the fields, each of its kind or, now and then, anything at all."""
    return st.fixed_dictionaries({}, optional={k: v | ANYTHING for k, v in fields.items()})


def server_fields(nova: Nova) -> dict[str, st.SearchStrategy[Any]]:
    """What a launch may hold, often with ids that exist."""
    network = some(
        {
            "uuid": st.just(nova.network) | TEXTS,
            "port": TEXTS | st.none(),
            "fixed_ip": st.sampled_from(["10.9.0.77", "10.9.0.1", "10.9.3.255", "::1"]) | TEXTS,
            "tag": TEXTS,
        }
    )
    device = some(
        {
            "source_type": st.sampled_from(["image", "volume", "snapshot", "blank"]),
            "destination_type": st.sampled_from(["local", "volume"]),
            "uuid": st.just(nova.image) | TEXTS,
            "boot_index": NUMBERS,
            "volume_size": NUMBERS,
            "device_name": st.sampled_from(["vda", "/dev/vdb", "sda1"]) | TEXTS,
            "delete_on_termination": st.booleans(),
            "tag": TEXTS,
            "no_device": st.booleans(),
        }
    )
    return {
        "name": TEXTS,
        "networks": st.lists(network, max_size=3) | st.sampled_from(["auto", "none"]),
        "block_device_mapping_v2": st.lists(device, max_size=3),
        "block_device_mapping": st.lists(some({"volume_id": TEXTS, "device_name": TEXTS})),
        "security_groups": st.lists(some({"name": st.just("default") | TEXTS}), max_size=3),
        "metadata": PAIRS,
        "tags": st.lists(TEXTS, max_size=3),
        "key_name": TEXTS,
        "user_data": st.just("IyEvYmluL3No") | TEXTS,
        "config_drive": st.booleans(),
        "availability_zone": st.sampled_from(["nova", "nova:host-1", "nova::", ":", ":::"]) | TEXTS,
        "min_count": NUMBERS,
        "max_count": NUMBERS,
        "description": TEXTS,
        "hostname": TEXTS,
        "adminPass": TEXTS,
        "accessIPv4": TEXTS,
        "accessIPv6": TEXTS,
        "flavorRef": st.just(nova.flavor) | TEXTS,
        "imageRef": st.just(nova.image) | TEXTS,
        "OS-DCF:diskConfig": st.sampled_from(["AUTO", "MANUAL"]),
        "return_reservation_id": st.booleans(),
        "personality": st.lists(some({"path": TEXTS, "contents": TEXTS}), max_size=2),
        "bogus": ANYTHING,
    }


@pytest.fixture
def swept(nova: Nova, left_as_found: None) -> Any:
    """Whatever a lucky body has launched is deleted."""
    yield
    ids = [server["id"] for server in nova.get("/servers")["servers"]]
    for server_id in ids:
        nova.act(server_id, "unlock")
        assert nova.call("DELETE", f"/servers/{server_id}").status_code in (204, 404)


def test_launches_with_one_odd_field_reach_no_5xx(
    nova: Nova, left_as_found: None, swept: None
) -> None:
    fields = server_fields(nova)
    odd = st.sampled_from(sorted(fields)).flatmap(lambda f: st.tuples(st.just(f), fields[f]))

    @SETTINGS
    @given(odd=odd)
    def launch(odd: tuple[str, Any]) -> None:
        body = nova.request(**{"networks": "none", odd[0]: odd[1]})
        answer = nova.call("POST", "/servers", body)
        assert answer.status_code < 500, (body, answer.text)
        if answer.status_code == 202 and "server" in answer.json():
            server_id = answer.json()["server"]["id"]
            assert nova.call("GET", f"/servers/{server_id}").status_code == 200
            assert nova.call("DELETE", f"/servers/{server_id}").status_code == 204

    launch()


# Service, path, the body's key (none: the fields stand alone), and what may stand in it.
OTHERS: dict[str, tuple[str, str, str | None, dict[str, st.SearchStrategy[Any]]]] = {
    "project": (
        *("identity", "/v3/projects", "project"),
        {"name": TEXTS, "description": TEXTS, "enabled": st.booleans(), "domain_id": TEXTS},
    ),
    "user": (
        *("identity", "/v3/users", "user"),
        {"name": TEXTS, "password": TEXTS, "default_project_id": TEXTS, "email": TEXTS},
    ),
    "image": (
        *("image", "/v2/images", None),
        {
            "name": TEXTS,
            "disk_format": st.sampled_from(["raw", "qcow2"]) | TEXTS,
            "container_format": st.just("bare") | TEXTS,
            "visibility": st.sampled_from(["private", "public", "shared"]),
            "min_disk": NUMBERS,
            "tags": st.lists(TEXTS, max_size=3),
            "os_distro": TEXTS,
            "id": TEXTS,
        },
    ),
    "network": (
        *("network", "/v2.0/networks", "network"),
        {"name": TEXTS, "description": TEXTS, "mtu": NUMBERS, "shared": st.booleans()},
    ),
    "security group": (
        *("network", "/v2.0/security-groups", "security_group"),
        {"name": TEXTS, "description": TEXTS, "project_id": TEXTS},
    ),
    "port": (
        *("network", "/v2.0/ports", "port"),
        {
            "network_id": TEXTS,
            "name": TEXTS,
            "mac_address": TEXTS,
            "fixed_ips": st.lists(some({"ip_address": TEXTS, "subnet_id": TEXTS}), max_size=2),
            "device_id": TEXTS,
        },
    ),
    "subnet": (
        *("network", "/v2.0/subnets", "subnet"),
        {"network_id": TEXTS, "cidr": TEXTS, "ip_version": NUMBERS, "gateway_ip": TEXTS},
    ),
    "volume": (
        *("volume", "/v3/{project}/volumes", "volume"),
        {"name": TEXTS, "description": TEXTS, "metadata": PAIRS, "imageRef": TEXTS},
    ),
    "flavor": (
        *("api", "/v2.1/flavors", "flavor"),
        {
            "name": TEXTS,
            "id": TEXTS,
            "ram": NUMBERS,
            "vcpus": NUMBERS,
            "disk": NUMBERS,
            "swap": NUMBERS,
        },
    ),
    "keypair": (
        *("api", "/v2.1/os-keypairs", "keypair"),
        {"name": TEXTS, "public_key": TEXTS},
    ),
}
# What a plain request of each says, so that one odd field meets sense around it.
PLAIN: dict[str, dict[str, Any]] = {
    "project": {"name": "fuzz"},
    "user": {"name": "fuzz"},
    "image": {"name": "fuzz", "disk_format": "raw", "container_format": "bare"},
    "network": {"name": "fuzz"},
    "security group": {"name": "fuzz"},
    "volume": {"name": "fuzz", "size": 1},
    "flavor": {"name": "fuzz", "ram": 64, "vcpus": 1, "disk": 1},
    "keypair": {"name": "fuzz"},
}


@pytest.mark.parametrize("what", OTHERS)
def test_random_resources_reach_no_5xx(
    cloud: Cloud, nova: Nova, what: str, left_as_found: None
) -> None:
    service, path, key, fields = OTHERS[what]
    project = nova.connections["admin"].current_project_id
    url = f"http://127.0.0.1:{cloud.ports[service]}{path.format(project=project)}"
    headers = {"X-Auth-Token": nova.tokens["admin"], "OpenStack-API-Version": "compute 2.1"}
    known = {"port": {"network_id": nova.network}, "subnet": {"network_id": nova.network}}

    @SETTINGS
    @given(changes=some(fields))
    def create(changes: dict[str, Any]) -> None:
        inner = {**PLAIN.get(what, {}), **known.get(what, {}), **changes}
        body = inner if key is None else {key: inner}
        answer = requests.post(url, json=body, headers=headers, timeout=60)
        assert answer.status_code < 500, (body, answer.text)
        if answer.ok:
            made = answer.json() if key is None else answer.json()[key]
            name = made["name"] if what == "keypair" else made["id"]
            nova.until(lambda: _deleted(f"{url}/{name}", headers), f"{what} {name} is deleted")

    create()


def _deleted(url: str, headers: dict[str, str]) -> bool:
    """Delete; a volume that is still being made says 400 for a moment."""
    answer = requests.delete(url, headers=headers, timeout=60)
    assert answer.status_code < 500, (url, answer.text)
    return answer.status_code != 400 and (answer.ok or answer.status_code == 404)
