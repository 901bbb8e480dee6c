"""Who may do what: oslo.policy with defaults in code and `policy.yaml` on top.

A rule that was never defined denies (CVE-2026-49299): asking for one is a
bug, and raises.

oslo.policy looks for a changed file at every question and inspects the
signature of each part of a rule. A decision therefore stands for a second:
the same question is asked many times in it, and a changed `policy.yaml`
still counts a second later.
"""

import operator
import time
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

_STANDS_SECONDS = 1.0
_MOST_DECISIONS = 10_000
# What RequestContext.to_policy_values shows to a rule.
_asks = operator.attrgetter(
    *("user_id", "user_domain_id", "project_id", "project_domain_id", "domain_id"),
    *("system_scope", "is_admin_project", "service_user_id", "service_user_domain_id"),
    *("service_project_id", "service_project_domain_id"),
)


class Enforcer:
    """One service's rules, ready to decide."""

    def __init__(self, rules: Iterable[oslo_policy.RuleDefault]) -> None:
        self._defined: set[str] = set()
        self._enforcer = oslo_policy.Enforcer(cfg.CONF)
        for rule in rules:
            self._enforcer.register_default(rule)
            self._defined.add(rule.name)
        self._enforcer.load_rules()
        self._decided: dict[Any, bool] = {}
        self._decided_until = 0.0

    def allows(
        self, ctxt: context.RequestContext, rule: str, target: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether `ctxt` may do `rule` to `target` (by default: its own project)."""
        if rule not in self._defined:
            raise KeyError(f"policy rule {rule} is not defined")
        if target is None:
            target = {"project_id": ctxt.project_id, "user_id": ctxt.user_id}
        if time.monotonic() > self._decided_until or len(self._decided) > _MOST_DECISIONS:
            self._decided, self._decided_until = {}, time.monotonic() + _STANDS_SECONDS
        roles = (tuple(ctxt.roles), tuple(ctxt.service_roles))
        question = (rule, *_asks(ctxt), *roles, *target.items())
        try:
            known = self._decided.get(question)
        except TypeError:  # a target with a list or a dict in it
            return self._enforce(ctxt, rule, target)
        if known is None:
            known = self._decided[question] = self._enforce(ctxt, rule, target)
        return known

    def _enforce(self, ctxt: context.RequestContext, rule: str, target: Mapping[str, Any]) -> bool:
        return bool(self._enforcer.enforce(rule, dict(target), ctxt))

    def authorize(
        self, ctxt: context.RequestContext, rule: str, target: Mapping[str, Any] | None = None
    ) -> None:
        """Like `allows`, but raises errors.Forbidden."""
        if not self.allows(ctxt, rule, target):
            raise errors.Forbidden(action=rule)
