"""The unmodified clients do their work on images and show our errors readably."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest

from tests.functional.image.server import Cloud, running

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def _cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    """On SQLite alone: every call of the command-line client takes a second."""
    folder = tmp_path_factory.mktemp("clients")
    with running(folder, f"sqlite:///{folder}/image.sqlite") as cloud:
        yield cloud


@pytest.fixture
def connect(cloud: Any) -> Callable[[str], Any]:
    def as_member_of(project: str) -> Any:
        return openstack.connect(
            auth_type="admin_token",
            auth={"endpoint": cloud.url, "token": f"{project}:member,reader"},
            image_endpoint_override=cloud.url,
            load_yaml_config=False,
            load_envvars=False,
        )

    return as_member_of


@pytest.fixture
def sdk(connect: Callable[[str], Any]) -> Any:
    return connect("demo")


@pytest.fixture
def shell(cloud: Any, tmp_path: Path) -> Shell:
    program = Path(sys.executable).with_name("openstack")
    if not program.exists():
        pytest.skip("python-openstackclient is not installed")

    def run(*words: str, token: str = "demo:member,reader") -> subprocess.CompletedProcess[str]:
        config = tmp_path / "clouds.yaml"
        auth = {"endpoint": cloud.url, "token": token}
        config.write_text(
            json.dumps(
                {
                    "clouds": {
                        "t": {
                            "auth_type": "admin_token",
                            "auth": auth,
                            "image_endpoint_override": cloud.url,
                        }
                    }
                }
            )
        )
        env = {k: v for k, v in os.environ.items() if not k.startswith("OS_")}
        return subprocess.run(
            [program, "--os-cloud", "t", *words],
            env={**env, "OS_CLIENT_CONFIG_FILE": str(config)},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


def test_openstack_creates_shows_sets_saves_and_deletes_an_image(
    shell: Shell, cloud: Any, disk: Any, tmp_path: Path
) -> None:
    data = disk("qcow2", "64M")
    words = ("--disk-format", "qcow2", "--container-format", "bare", "--property", "os=x")
    made = shell("image", "create", "-f", "json", *words, "--file", tmp_path / "disk.qcow2", "one")
    assert made.returncode == 0, made.stderr
    image = json.loads(made.stdout)
    assert image["status"] == "active"
    assert image["properties"]["os_hash_value"] == hashlib.sha512(data).hexdigest()

    listed = shell("image", "list", "-f", "json")
    assert [(i["Name"], i["Status"]) for i in json.loads(listed.stdout)] == [("one", "active")]
    changed = shell("image", "set", "--property", "a=b", "--tag", "t", "--min-disk", "3", "one")
    assert changed.returncode == 0, changed.stderr
    shown = json.loads(shell("image", "show", "-f", "json", "one").stdout)
    assert (shown["properties"]["a"], shown["tags"], shown["min_disk"]) == ("b", ["t"], 3)
    unset = shell("image", "unset", "--property", "a", "--tag", "t", "one")
    assert unset.returncode == 0, unset.stderr

    saved = shell("image", "save", "--file", tmp_path / "copy", "one")
    assert saved.returncode == 0, saved.stderr
    assert (tmp_path / "copy").read_bytes() == data
    gone = shell("image", "delete", "one")
    assert gone.returncode == 0, gone.stderr
    assert cloud.files() == []


def test_openstack_imports_an_image(shell: Shell, cloud: Any, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(b"x" * 3000)
    made = shell("image", "create", "--import", "--disk-format", "raw", "--file",
                 tmp_path / "raw", "-f", "json", "one")  # fmt: skip
    assert made.returncode == 0, made.stderr
    assert json.loads(shell("image", "show", "-f", "json", "one").stdout)["status"] == "active"
    assert "glance-direct" in shell("image", "import", "info").stdout


def test_openstack_prints_our_sentence_when_an_image_lies_about_its_format(
    shell: Shell, cloud: Any, disk: Any, tmp_path: Path
) -> None:
    disk("qcow2")
    made = shell("image", "create", "--disk-format", "raw", "--file", tmp_path / "disk.qcow2", "x")
    assert made.returncode != 0
    assert "The uploaded data is qcow2, not raw" in made.stderr
    assert "<br" not in made.stderr and "Traceback" not in made.stderr
    assert cloud.files() == []


def test_openstack_prints_our_sentence_when_publishing_is_not_allowed(shell: Shell) -> None:
    made = shell("image", "create", "--public", "--disk-format", "raw", "x")
    assert made.returncode != 0 and "publicize_image" in made.stderr


def test_sdk_shares_an_image(connect: Any) -> None:
    owner, member = connect("demo").image, connect("other").image
    image = owner.create_image("x", data=b"x", disk_format="raw", container_format="bare")
    owner.add_member(image, member_id="other")
    assert [m.status for m in owner.members(image)] == ["pending"]
    member.update_member("other", image.id, status="accepted")
    assert [i.id for i in member.images()] == [image.id]
    owner.remove_member("other", image.id)
    assert list(member.images()) == []


def test_sdk_uploads_downloads_and_pages(sdk: Any, tmp_path: Path) -> None:
    data = os.urandom(300_000)
    for number in range(5):
        image = sdk.image.create_image(
            f"i{number}", data=data, disk_format="raw", container_format="bare", size=len(data)
        )
    assert len(list(sdk.image.images(limit=2))) == 5
    found = sdk.image.find_image("i4")
    assert found.id == image.id and found.size == len(data)
    answer = sdk.image.download_image(found, stream=True)
    assert b"".join(answer.iter_content(65536)) == data
    sdk.image.deactivate_image(found)
    assert sdk.image.get_image(found.id).status == "deactivated"
    sdk.image.reactivate_image(found)
    assert sdk.image.update_image(found, name="new", os_distro="debian").os_distro == "debian"
    sdk.image.delete_image(found)
    assert sdk.image.find_image("new") is None


def test_sdk_finds_a_hidden_image_by_name(sdk: Any) -> None:
    image = sdk.image.create_image("h", disk_format="raw", container_format="bare", data=b"x")
    sdk.image.update_image(image, is_hidden=True)
    assert [i.name for i in sdk.image.images()] == []
    assert sdk.image.find_image("h").name == "h"
