"""Who may do what: oslo.policy with defaults in code and `policy.yaml` on top.

A rule that was never defined denies (CVE-2026-49299): asking for one is a
bug, and raises.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from oslo_config import cfg
from oslo_policy import policy as oslo_policy

from minova.common import context, errors

# Shared words of the rules. Project roles are hierarchic: admin > manager > member > reader.
ADMIN = "role:admin"
SERVICE = "role:service"
ADMIN_OR_SERVICE = "role:admin or role:service"
PROJECT_MEMBER = "(role:admin) or (role:service) or (role:member and project_id:%(project_id)s)"
PROJECT_READER = "(role:admin) or (role:service) or (role:reader and project_id:%(project_id)s)"
ANYONE = "@"


class Enforcer:
    """One service's rules, ready to decide."""

    def __init__(self, rules: Iterable[oslo_policy.RuleDefault]) -> None:
        self._defined: set[str] = set()
        self._enforcer = oslo_policy.Enforcer(cfg.CONF)
        for rule in rules:
            self._enforcer.register_default(rule)
            self._defined.add(rule.name)
        self._enforcer.load_rules()

    def allows(
        self, ctxt: context.RequestContext, rule: str, target: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether `ctxt` may do `rule` to `target` (by default: its own project)."""
        if rule not in self._defined:
            raise KeyError(f"policy rule {rule} is not defined")
        if target is None:
            target = {"project_id": ctxt.project_id, "user_id": ctxt.user_id}
        return bool(self._enforcer.enforce(rule, dict(target), ctxt))

    def authorize(
        self, ctxt: context.RequestContext, rule: str, target: Mapping[str, Any] | None = None
    ) -> None:
        """Like `allows`, but raises errors.Forbidden."""
        if not self.allows(ctxt, rule, target):
            raise errors.Forbidden(action=rule)
