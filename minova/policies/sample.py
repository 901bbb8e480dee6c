"""Every service's rules in one list, for oslopolicy-sample-generator and oslopolicy-checker."""

from collections.abc import Sequence

from oslo_policy import policy as oslo_policy

from minova.policies import compute, identity, image, network, volume


def list_rules() -> Sequence[oslo_policy.RuleDefault]:
    """All rules; ValueError if one name means two things, for policy.yaml is one for all."""
    rules: dict[str, oslo_policy.RuleDefault] = {}
    for service in (identity, compute, image, network, volume):
        for rule in service.list_rules():
            known = rules.setdefault(rule.name, rule)
            if known.check_str != rule.check_str:
                raise ValueError(f"two services define the policy rule {rule.name} differently")
    return list(rules.values())
