"""What every client does first: find the version, and agree on a microversion."""

import pytest
import requests

from minova.api.microversions import MAX, text

NEWEST = text(MAX)


def test_version_documents_need_no_token_and_point_at_themselves(nova) -> None:
    root = nova.url.removesuffix("v2.1")
    versions = requests.get(root, timeout=10).json()["versions"]
    assert [v["id"] for v in versions] == ["v2.0", "v2.1"]
    assert (versions[1]["min_version"], versions[1]["version"]) == ("2.1", NEWEST)
    for version in versions:
        link = version["links"][0]["href"]
        document = requests.get(link, timeout=10).json()["version"]
        assert document["links"][0]["href"] == link
        assert document["id"] == version["id"]


@pytest.mark.parametrize(
    ("headers", "status", "spoken"),
    [
        ({}, 200, "2.1"),
        ({"OpenStack-API-Version": "compute 2.37"}, 200, "2.37"),
        ({"OpenStack-API-Version": "volume 3.0, compute 2.9"}, 200, "2.9"),
        ({"OpenStack-API-Version": "volume 3.0"}, 200, "2.1"),
        ({"X-OpenStack-Nova-API-Version": "2.12"}, 200, "2.12"),
        (
            {"X-OpenStack-Nova-API-Version": "2.12", "OpenStack-API-Version": "compute 2.13"},
            200,
            "2.13",
        ),
        ({"OpenStack-API-Version": "compute latest"}, 200, NEWEST),
        ({"OpenStack-API-Version": "compute 2.9999"}, 406, "2.1"),
        ({"OpenStack-API-Version": "compute two"}, 400, "2.1"),
    ],
)
def test_every_answer_says_which_microversion_it_speaks(nova, headers, status, spoken) -> None:
    answer = nova.call("GET", "/servers", version=None, headers=headers)
    assert answer.status_code == status
    assert answer.headers["OpenStack-API-Version"] == f"compute {spoken}"
    assert answer.headers["X-OpenStack-Nova-API-Version"] == spoken
    assert answer.headers["Vary"] == "OpenStack-API-Version, X-OpenStack-Nova-API-Version"
    request_id = answer.headers["x-openstack-request-id"]
    assert request_id.startswith("req-") and request_id == answer.headers["x-compute-request-id"]


def test_a_version_out_of_range_is_not_acceptable_and_says_what_is(nova) -> None:
    answer = nova.call("GET", "/servers", version="2.9999")
    assert answer.json() == {
        "computeFault": {
            "code": 406,
            "message": "Version 2.9999 is not supported by the API. "
            f"Minimum is 2.1 and maximum is {NEWEST}.",
        }
    }


def test_without_a_token_the_answer_is_401_and_says_where_to_log_in(nova, cloud) -> None:
    answer = nova.call("GET", "/servers", user="")
    assert answer.status_code == 401
    assert answer.json()["unauthorized"]["code"] == 401
    assert cloud.auth_url in answer.headers["WWW-Authenticate"]
    assert "OpenStack-API-Version" in answer.headers


def test_the_project_in_the_url_is_optional_and_has_to_be_ones_own(nova) -> None:
    own = nova.get(f"/{nova.project}/flavors", version=None)["flavors"][0]
    assert own["links"][0]["href"].startswith(f"{nova.url}/{nova.project}/flavors/")
    message = nova.refused(400, "GET", f"/{'0' * 32}/flavors")
    assert "doesn't match" in message


def test_the_v2_endpoint_is_2_1_without_microversions(nova) -> None:
    url = nova.url.removesuffix("v2.1") + "v2/flavors"
    headers = {"X-Auth-Token": nova.tokens["demo"], "OpenStack-API-Version": "compute 2.96"}
    answer = requests.get(url, headers=headers, timeout=10)
    assert answer.headers["OpenStack-API-Version"] == "compute 2.1"
    assert answer.json()["flavors"][0]["links"][0]["href"].startswith(url)


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"<server/>", "application/xml", 415),
        (b"{", "application/json", 400),
        (b"", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b" " * (1024 * 1024 + 1), "application/json", 413),
    ],
)
def test_a_body_that_is_no_json_is_refused_in_novas_words(nova, content, kind, status) -> None:
    answer = requests.post(
        nova.url + "/servers",
        data=content,
        headers={"X-Auth-Token": nova.tokens["demo"], "Content-Type": kind},
        timeout=10,
    )
    assert answer.status_code == status
    (error,) = answer.json().values()
    assert error["code"] == status


def test_a_path_that_ends_in_a_slash_is_no_collection(nova) -> None:
    for method, path in (("GET", "/servers/"), ("DELETE", "/os-keypairs/"), ("GET", "/flavors/")):
        assert nova.refused(404, method, path) == "The resource could not be found."
    assert nova.call("GET", "/").status_code == 200
