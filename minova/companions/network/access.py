"""Who may see and do what.

Lists and lookups are narrowed by a scope in SQL; what is foreign and not
shared does not exist for the asker. Changes are then decided by policy.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from minova.common.context import RequestContext
from minova.common.policy import Enforcer
from minova.companions.network import errors
from minova.companions.network.tables import (
    floating_ips,
    networks,
    ports,
    routers,
    security_groups,
    subnets,
)
from minova.policies.network import PRIVILEGED

Row = dict[str, Any]
Scope = list[sa.ColumnElement[bool]]
_DECIDED = "_network_privileged"


class Access:
    """Asks the policy, in the words of this service."""

    def __init__(self, policy: Enforcer) -> None:
        self._policy = policy

    def privileged(self, ctxt: RequestContext) -> bool:
        """Whether `ctxt` sees and acts on every project's resources.

        Asked several times in a request, decided once.
        """
        known: bool | None = getattr(ctxt, _DECIDED, None)
        if known is None:
            known = self._policy.allows(ctxt, PRIVILEGED)
            setattr(ctxt, _DECIDED, known)
        return known

    def require(
        self, ctxt: RequestContext, rule: str, target: Mapping[str, Any] | None = None
    ) -> None:
        """PolicyNotAuthorized unless `rule` lets `ctxt` do this to `target`."""
        if not self._policy.allows(ctxt, rule, target):
            raise errors.PolicyNotAuthorized(rule=f"rule:{rule}")

    def owner_of(self, ctxt: RequestContext, item: Row) -> str:
        """The project a new resource belongs to; only the privileged may name another's."""
        named = item.get("project_id") or item.get("tenant_id")
        if named is not None and named != ctxt.project_id and not self.privileged(ctxt):
            raise errors.HTTPBadRequest(
                "Specifying 'project_id' or 'tenant_id' other than the authenticated project in "
                "request requires admin privileges"
            )
        project_id = named or ctxt.project_id
        if not project_id:
            raise errors.HTTPBadRequest(
                "The token is not scoped to a project; name one as 'project_id'"
            )
        return str(project_id)


def visible_networks(ctxt: RequestContext, privileged: bool) -> Scope:
    """Own, shared and external ones."""
    if privileged:
        return []
    own = networks.c.project_id == ctxt.project_id
    return [sa.or_(own, networks.c.shared, networks.c.external)]


def visible_subnets(ctxt: RequestContext, privileged: bool) -> Scope:
    """Own ones, and those of own or shared networks."""
    if privileged:
        return []
    seen = sa.select(networks.c.id).where(
        sa.or_(networks.c.project_id == ctxt.project_id, networks.c.shared)
    )
    return [sa.or_(subnets.c.project_id == ctxt.project_id, subnets.c.network_id.in_(seen))]


def visible_ports(ctxt: RequestContext, privileged: bool) -> Scope:
    """Own ones, and those on own networks."""
    if privileged:
        return []
    own = sa.select(networks.c.id).where(networks.c.project_id == ctxt.project_id)
    return [sa.or_(ports.c.project_id == ctxt.project_id, ports.c.network_id.in_(own))]


def visible_routers(ctxt: RequestContext, privileged: bool) -> Scope:
    """Own ones."""
    return [] if privileged else [routers.c.project_id == ctxt.project_id]


def visible_floating_ips(ctxt: RequestContext, privileged: bool) -> Scope:
    """Own ones."""
    return [] if privileged else [floating_ips.c.project_id == ctxt.project_id]


def visible_groups(ctxt: RequestContext, privileged: bool) -> Scope:
    """Own ones."""
    return [] if privileged else [security_groups.c.project_id == ctxt.project_id]
