"""Policy: a decision holds for who asked what of whom, and not for long."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from oslo_config import cfg
from oslo_policy import opts
from oslo_policy import policy as oslo_policy

from minova.common import policy
from minova.common.context import RequestContext
from tests.configuration import configure

RULES = [
    oslo_policy.RuleDefault("look", policy.PROJECT_READER),
    oslo_policy.RuleDefault("own", "user_id:%(user_id)s"),
]


@pytest.fixture
def policy_file(tmp_path: Path) -> Iterator[Path]:
    configure()
    opts.set_defaults(cfg.CONF)
    path = tmp_path / "policy.yaml"
    path.write_text("{}\n")
    cfg.CONF.set_override("policy_file", str(path), "oslo_policy")
    yield path
    cfg.CONF.clear_override("policy_file", "oslo_policy")
    cfg.CONF.reset()


def asker(
    user: str = "u", project: str = "p", roles: tuple[str, ...] = ("reader",)
) -> RequestContext:
    return RequestContext(user_id=user, project_id=project, roles=list(roles), overwrite=False)


def test_one_users_permission_is_not_anothers(policy_file: Path) -> None:
    enforcer = policy.Enforcer(RULES)
    target = {"project_id": "p", "user_id": "u"}
    for _ in range(2):
        assert enforcer.allows(asker(), "look", target)
        assert enforcer.allows(asker(), "own", target)
        assert not enforcer.allows(asker(user="v"), "own", target)
        assert not enforcer.allows(asker(project="q"), "look", target)
        assert not enforcer.allows(asker(roles=()), "look", target)
        assert not enforcer.allows(asker(), "look", {"project_id": "q"})


def test_a_target_with_a_list_is_decided_too(policy_file: Path) -> None:
    assert policy.Enforcer(RULES).allows(asker(), "look", {"project_id": "p", "tags": ["a"]})


def test_a_changed_policy_file_counts_soon(
    policy_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    enforcer = policy.Enforcer(RULES)
    assert enforcer.allows(asker(), "look")
    policy_file.write_text('"look": "!"\n')
    now = policy.time.monotonic()
    monkeypatch.setattr(policy.time, "monotonic", lambda: now + 2)
    assert not enforcer.allows(asker(), "look")
