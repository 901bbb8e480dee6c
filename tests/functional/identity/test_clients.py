"""The unmodified clients against the live service."""

import json
from typing import Any

import openstack
import pytest

from tests.clients import run_openstack
from tests.functional.identity.server import PASSWORDS, Identity


def openstack_commands(
    identity: Identity, user: str, project: str, commands: list[str], url: str | None = None
) -> list[str]:
    """Outputs of `openstack` commands, every one of which has to succeed."""
    where = url or identity.url
    return run_openstack(where, user, PASSWORDS[user], project, *commands)


def connect(identity: Identity, user: str, project: str | None) -> Any:
    return openstack.connect(
        auth_url=identity.url,
        username=user,
        password=PASSWORDS[user],
        project_name=project,
        user_domain_name="Default",
        project_domain_name="Default",
        region_name="RegionOne",
        load_yaml_config=False,
        load_envvars=False,
    )


def test_the_admin_runs_the_cloud_with_the_openstack_command(identity: Identity) -> None:
    outputs = openstack_commands(
        identity,
        "admin",
        "admin",
        [
            "token issue -f json",
            "project list -f json",
            "project create --description lab p2 -f json",
            "user create --password s3cret --project p2 --email u@example.org u1 -f json",
            "role add --project p2 --user u1 member",
            "role assignment list --user u1 --names -f json",
            "role assignment list --user u1 --effective --names -f json",
            "role list -f json",
            "user list --long -f json",
            "user show u1 -f json",
            "user set --password n3w --description changed u1",
            "role remove --project p2 --user u1 member",
            "service list -f json",
            "service create --name lab --description x lab-type -f json",
            "endpoint create --region RegionOne lab-type public http://lab/$(project_id)s -f json",
            "endpoint list --service lab-type -f json",
            "catalog list -f json",
            "catalog show lab-type -f json",
            "region create --description two RegionTwo -f json",
            "region list -f json",
            "domain create --description d d2 -f json",
            "project create --domain d2 p2 -f json",
            "project list --domain d2 -f json",
            "domain set --disable d2",
            "domain delete d2",
            "role create auditor -f json",
            "role delete auditor",
            "implied role list -f json",
            "group list -f json",
            "project set --name p3 --disable p2 --domain default",
            "project show p3 -f json",
            "service delete lab",
            "user delete u1",
            "project delete p3",
            "project list -f json",
        ],
    )
    shown: list[Any] = [
        json.loads(out) if out.strip().startswith(("{", "[")) else out for out in outputs
    ]
    assert len(shown[0]["id"]) < 255
    assert {project["Name"] for project in shown[1]} == {"admin", "demo", "service"}
    assert [(row["Role"], row["Project"]) for row in shown[5]] == [("member", "p2@Default")]
    assert sorted(row["Role"] for row in shown[6]) == ["member", "reader"]
    assert {row["Name"] for row in shown[7]} >= {"admin", "manager", "member", "reader", "service"}
    assert next(row for row in shown[8] if row["Name"] == "u1")["Email"] == "u@example.org"
    assert {row["Type"] for row in shown[12]} == {
        "identity",
        "compute",
        "image",
        "network",
        "block-storage",
        "volumev3",
    }
    assert len(shown[15]) == 1
    assert "lab-type" in {row["Type"] for row in shown[16]}
    assert {row["Region"] for row in shown[19]} == {"RegionOne", "RegionTwo"}
    assert [row["Name"] for row in shown[22]] == ["p2"]
    assert len(shown[27]) == 3
    assert shown[30]["enabled"] is False
    assert {project["Name"] for project in shown[34]} == {"admin", "demo", "service"}


def test_a_member_sees_his_own_project_and_token(identity: Identity) -> None:
    unversioned = identity.url.removesuffix("/v3")
    issued, projects, catalog = openstack_commands(
        identity,
        "demo",
        "demo",
        ["token issue -f json", "project list -f json", "catalog list -f json"],
        url=unversioned,
    )
    assert json.loads(issued)["project_id"]
    assert [project["Name"] for project in json.loads(projects)] == ["demo"]
    assert len(json.loads(catalog)) == 6


def test_a_member_changes_his_password_with_the_openstack_command(identity: Identity) -> None:
    openstack_commands(
        identity,
        "demo",
        "demo",
        ["user password set --password another --original-password demo-password"],
    )
    assert identity.authenticate("demo").status_code == 401
    assert identity.authenticate("demo", "another").status_code == 201


def test_openstacksdk_makes_a_user_who_can_log_in(identity: Identity) -> None:
    cloud = connect(identity, "admin", "admin")
    project = cloud.identity.create_project(name="tempest-1", domain_id="default")
    user = cloud.identity.create_user(name="tempest-1", password="x y", domain_id="default")
    role = cloud.identity.find_role("member")
    cloud.identity.assign_project_role_to_user(project, user, role)
    assert identity.token("tempest-1", "tempest-1", "x y")
    assert [p.name for p in cloud.identity.user_projects(user)] == ["tempest-1"]
    assert cloud.identity.validate_user_has_project_role(project, user, role)
    assert cloud.identity.find_domain("Default").id == "default"
    assert cloud.identity.update_user(user, is_enabled=False).is_enabled is False
    cloud.identity.delete_user(user)
    cloud.identity.delete_project(project)
    assert cloud.identity.find_project("tempest-1") is None


def test_openstacksdk_finds_the_endpoint_of_each_service(identity: Identity) -> None:
    cloud = connect(identity, "demo", "demo")
    project = cloud.current_project_id
    assert cloud.endpoint_for("compute") == "http://127.0.0.1:8774/v2.1"
    assert cloud.endpoint_for("block-storage") == f"http://127.0.0.1:8776/v3/{project}"
    assert cloud.endpoint_for("volumev3") == f"http://127.0.0.1:8776/v3/{project}"
    assert cloud.endpoint_for("identity") == identity.url


@pytest.mark.parametrize("user", ["nova", "glance", "neutron", "cinder"])
def test_service_users_log_in(identity: Identity, user: str) -> None:
    assert identity.token(user, "service")
