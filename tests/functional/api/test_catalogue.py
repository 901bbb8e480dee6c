"""Flavors and key pairs."""

import subprocess
import uuid
from pathlib import Path

import pytest

from tests.nova import PUBLIC_KEY

NOBODY = str(uuid.uuid4())
SIZE = {"ram": 64, "vcpus": 1, "disk": 1}


@pytest.fixture
def flavor(nova):
    body = {"flavor": {"name": f"f-{uuid.uuid4().hex[:8]}", **SIZE}}
    made = nova.call("POST", "/flavors", body, user="admin")
    assert made.status_code == 200
    yield made.json()["flavor"]
    nova.call("DELETE", f"/flavors/{made.json()['flavor']['id']}", user="admin")


def test_a_flavor_shows_what_its_version_knows(nova, flavor) -> None:
    path = f"/flavors/{flavor['id']}"
    old = nova.get(path, version="2.1")["flavor"]
    assert old["swap"] == "" and "description" not in old and "extra_specs" not in old
    new = nova.get(path, version="2.75")["flavor"]
    assert new["swap"] == 0 and new["description"] is None and new["extra_specs"] == {}
    assert new["links"][0]["href"] == nova.url + path


def test_only_an_admin_makes_and_unmakes_flavors(nova, flavor) -> None:
    nova.refused(403, "POST", "/flavors", {"flavor": {"name": "x", **SIZE}})
    nova.refused(403, "DELETE", f"/flavors/{flavor['id']}")
    taken = {"flavor": {"name": flavor["name"], **SIZE}}
    message = nova.refused(409, "POST", "/flavors", taken, user="admin")
    assert message == f"Flavor with name {flavor['name']} already exists."
    taken = {"flavor": {"name": "another", "id": flavor["id"], **SIZE}}
    message = nova.refused(409, "POST", "/flavors", taken, user="admin")
    assert message == f"Flavor with ID {flavor['id']} already exists."
    nova.refused(404, "DELETE", f"/flavors/{NOBODY}", user="admin")


@pytest.mark.parametrize(
    "wrong",
    [
        {"ram": 0},
        {"ram": "lots"},
        {"ram": 2**40},
        {"vcpus": 0},
        {"disk": -1},
        {"name": ""},
        {"id": "a/b"},
        {"rxtx_factor": 0},
        {"bogus": 1},
        {"os-flavor-access:is_public": "perhaps"},
    ],
)
def test_an_impossible_flavor_is_refused(nova, wrong) -> None:
    body = {"flavor": {"name": "odd", **SIZE, **wrong}}
    assert next(iter(wrong)) in nova.refused(400, "POST", "/flavors", body, user="admin")


def test_a_flavor_is_described_from_2_55_on(nova, flavor) -> None:
    path, body = f"/flavors/{flavor['id']}", {"flavor": {"description": "small"}}
    nova.refused(404, "PUT", path, body, user="admin", version="2.54")
    assert nova.call("PUT", path, body, user="admin").json()["flavor"]["description"] == "small"


def test_extra_specs_are_set_shown_and_checked(nova, flavor) -> None:
    path = f"/flavors/{flavor['id']}/os-extra_specs"
    specs = {"extra_specs": {"hw:cpu_policy": "shared", "mine": "1"}}
    assert nova.call("POST", path, specs, user="admin").json() == specs
    assert nova.get(path) == specs
    changed = {"mine": "2"}
    assert nova.call("PUT", f"{path}/mine", changed, user="admin").json() == changed
    assert nova.call("DELETE", f"{path}/mine", user="admin").status_code == 200
    nova.refused(404, "GET", f"{path}/mine")
    nova.refused(403, "POST", path, specs)
    for wrong in ({"hw:cpu_polic": "shared"}, {"hw:cpu_policy": "sometimes"}):
        nova.refused(400, "POST", path, {"extra_specs": wrong}, user="admin")
        made = nova.call("POST", path, {"extra_specs": wrong}, user="admin", version="2.85")
        assert made.status_code == 200


def test_a_private_flavor_is_for_those_who_were_given_it(nova) -> None:
    body = {"flavor": {"name": "private", "os-flavor-access:is_public": False, **SIZE}}
    made = nova.call("POST", "/flavors", body, user="admin").json()["flavor"]
    path = f"/flavors/{made['id']}"
    nova.refused(404, "GET", path)
    assert nova.get(f"{path}/os-flavor-access", user="admin")["flavor_access"] == []
    unknown = {"addTenantAccess": {"tenant": "0" * 32}}
    nova.refused(400, "POST", f"{path}/action", unknown, user="admin")
    grant = {"addTenantAccess": {"tenant": nova.project}}
    given = nova.call("POST", f"{path}/action", grant, user="admin").json()["flavor_access"]
    assert given == [{"flavor_id": made["id"], "tenant_id": nova.project}]
    assert nova.get(path)["flavor"]["name"] == "private"
    nova.refused(409, "POST", f"{path}/action", grant, user="admin")
    take = {"removeTenantAccess": {"tenant": nova.project}}
    assert nova.call("POST", f"{path}/action", take, user="admin").status_code == 200
    nova.refused(404, "GET", path)
    public = f"/flavors/{nova.flavor}"
    nova.refused(409, "POST", f"{public}/action", grant, user="admin")
    nova.refused(404, "GET", f"{public}/os-flavor-access", user="admin")
    assert nova.call("DELETE", path, user="admin").status_code == 202


def test_cve_2013_4278_a_deleted_flavor_lives_on_in_its_servers(nova) -> None:
    body = {"flavor": {"name": "passing", **SIZE}}
    made = nova.call("POST", "/flavors", body, user="admin").json()["flavor"]
    server_id = nova.launch(flavorRef=made["id"])
    assert nova.call("DELETE", f"/flavors/{made['id']}", user="admin").status_code == 202
    assert nova.get(f"/servers/{server_id}")["server"]["flavor"]["original_name"] == "passing"
    nova.delete(server_id)


def test_a_key_is_kept_listed_and_deleted_in_every_form(nova) -> None:
    for version, created, deleted in (("2.1", 200, 202), ("2.2", 201, 204), ("2.96", 201, 204)):
        body = {"keypair": {"name": "form", "public_key": PUBLIC_KEY}}
        made = nova.call("POST", "/os-keypairs", body, version=version)
        assert made.status_code == created
        assert ("type" in made.json()["keypair"]) is (version != "2.1")
        nova.refused(409, "POST", "/os-keypairs", body, version=version)
        shown = nova.get("/os-keypairs/form", version=version)["keypair"]
        assert shown["public_key"] == PUBLIC_KEY and shown["deleted"] is False
        assert nova.call("DELETE", "/os-keypairs/form", version=version).status_code == deleted
        nova.refused(404, "GET", "/os-keypairs/form", version=version)


def test_the_fingerprint_is_the_one_ssh_keygen_tells(nova, tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(PUBLIC_KEY)
    command = ["ssh-keygen", "-l", "-E", "md5", "-f", str(tmp_path / "key.pub")]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[1]
    body = {"keypair": {"name": "printed", "public_key": PUBLIC_KEY}}
    made = nova.call("POST", "/os-keypairs", body).json()["keypair"]
    assert told == "MD5:" + made["fingerprint"]
    nova.call("DELETE", "/os-keypairs/printed")


@pytest.mark.parametrize("kind", ["ssh", "x509"])
def test_before_2_92_a_key_can_be_made_here(nova, tmp_path: Path, kind: str) -> None:
    body = {"keypair": {"name": "made", "type": kind}}
    made = nova.call("POST", "/os-keypairs", body, version="2.91").json()["keypair"]
    private = tmp_path / "key"
    private.write_text(made["private_key"])
    private.chmod(0o600)
    command = (
        ["ssh-keygen", "-y", "-f", str(private)]
        if kind == "ssh"
        else ["openssl", "pkey", "-in", str(private), "-noout"]
    )
    read = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if kind == "ssh":
        assert made["public_key"].split()[:2] == read.split()[:2]
    assert "private_key" not in nova.get("/os-keypairs/made")["keypair"]
    nova.call("DELETE", "/os-keypairs/made")
    assert "public_key" in nova.refused(400, "POST", "/os-keypairs", {"keypair": {"name": "made"}})


@pytest.mark.parametrize(
    "values",
    [
        {"public_key": "ssh-ed25519 not-base64"},
        {"public_key": "ssh-rsa " + PUBLIC_KEY.split()[1]},
        {"public_key": PUBLIC_KEY + "\nssh-rsa AAAA"},
        {"public_key": "hello"},
        {"name": "a/b"},
        {"name": ""},
        {"type": "pgp"},
        {"type": "x509", "public_key": PUBLIC_KEY},
    ],
)
def test_what_is_no_key_is_refused(nova, values) -> None:
    body = {"keypair": {"name": "bad", "public_key": PUBLIC_KEY, **values}}
    nova.refused(400, "POST", "/os-keypairs", body)
    nova.refused(404, "GET", "/os-keypairs/bad")


def test_keys_are_each_users_own(nova) -> None:
    body = {"keypair": {"name": "own", "public_key": PUBLIC_KEY}}
    owner = nova.call("POST", "/os-keypairs", body).json()["keypair"]["user_id"]
    nova.refused(404, "GET", "/os-keypairs/own", user="stranger")
    nova.refused(403, "GET", f"/os-keypairs/own?user_id={owner}", user="stranger")
    assert nova.get(f"/os-keypairs/own?user_id={owner}", user="admin")["keypair"]["name"] == "own"
    found = nova.get(f"/os-keypairs?user_id={owner}&limit=1", user="admin")
    assert found["keypairs_links"][0]["href"].endswith("marker=own")
    nova.refused(400, "GET", "/os-keypairs?marker=nope")
    nova.call("DELETE", "/os-keypairs/own")
