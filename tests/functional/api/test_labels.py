"""When metadata and tags of a server may change, and how many there may be."""

import pytest


@pytest.fixture(scope="module")
def server(nova):
    server_id = nova.launch()
    yield server_id
    nova.delete(server_id)


def test_a_lock_keeps_metadata_but_not_tags(nova, server) -> None:
    assert nova.act(server, "lock", user="admin").status_code == 202
    try:
        message = nova.refused(409, "POST", f"/servers/{server}/metadata", {"metadata": {"a": "b"}})
        assert message == f"Instance {server} is locked"
        nova.refused(409, "PUT", f"/servers/{server}/metadata", {"metadata": {}})
        assert nova.call("PUT", f"/servers/{server}/tags/x").status_code == 201
        assert nova.call("DELETE", f"/servers/{server}/tags/x").status_code == 204
    finally:
        nova.act(server, "unlock", user="admin")


def test_a_broken_servers_labels_stay_as_they_are(nova, server) -> None:
    path = f"/servers/{server}"
    nova.call("PUT", f"{path}/tags", {"tags": ["kept"]})
    nova.call("PUT", f"{path}/metadata", {"metadata": {"kept": "1"}})
    nova.act(server, "os-resetState", {"state": "error"}, user="admin")
    try:
        for method, where, body, word in (
            ("PUT", "/tags/x", None, "update tag"),
            ("PUT", "/tags", {"tags": []}, "update tags"),
            ("DELETE", "/tags/kept", None, "delete tag"),
            ("DELETE", "/tags", None, "delete tags"),
            ("POST", "/metadata", {"metadata": {}}, "update metadata"),
            ("DELETE", "/metadata/kept", None, "delete metadata"),
        ):
            assert nova.refused(409, method, path + where, body) == (
                f"Cannot '{word}' instance {server} while it is in vm_state error"
            )
    finally:
        nova.act(server, "os-resetState", {"state": "active"}, user="admin")
    shown = nova.get(path)["server"]
    assert (shown["tags"], shown["metadata"]) == (["kept"], {"kept": "1"})


def test_a_server_has_fifty_tags_at_most(nova, server) -> None:
    path = f"/servers/{server}/tags"
    most = [f"t{number}" for number in range(50)]
    assert nova.call("PUT", path, {"tags": most}).json()["tags"] == most
    message = nova.refused(400, "PUT", f"{path}/one-more")
    assert message == "The number of tags exceeded the per-server limit 50"
    nova.refused(400, "PUT", path, {"tags": [*most, "one-more"]})
    assert nova.call("PUT", f"{path}/t0").status_code == 204
    nova.refused(400, "PUT", path, {"tags": ["x" * 61]})
    nova.refused(400, "PUT", path, {"tags": ["a,b"]})
    nova.refused(400, "PUT", path, {"tags": [""]})
    assert nova.call("DELETE", path).status_code == 204
    assert nova.get(path)["tags"] == []
