"""Who may do what to which server: policy, and 404 for what one may not see."""

from typing import Any

import falcon

from minova.common import errors, policy
from minova.common.context import RequestContext
from minova.db import instances
from minova.db.engine import Database
from minova.model.instance import Instance
from minova.policies import compute as rules


class Access:
    """Nova-api's policy, over its database. Rules are named without their prefix."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._enforcer = policy.Enforcer(rules.list_rules())

    def check(self, req: falcon.Request, rule: str, **target: Any) -> RequestContext:
        """The request's context, if it may; errors.Forbidden. Default target: its own project."""
        ctxt: RequestContext = req.context.ctxt
        self._enforcer.authorize(ctxt, rules.name(rule), target or None)
        return ctxt

    def allows(self, req: falcon.Request, rule: str, **target: Any) -> bool:
        """Whether the request may; asked once a request for the default target."""
        if target:
            return self._enforcer.allows(req.context.ctxt, rules.name(rule), target)
        if "allowed" not in req.context:
            req.context.allowed = {}
        known: dict[str, bool] = req.context.allowed
        if rule not in known:
            known[rule] = self._enforcer.allows(req.context.ctxt, rules.name(rule))
        return known[rule]

    def privileged(self, req: falcon.Request) -> bool:
        """Whether the request sees every project's servers."""
        if "privileged" not in req.context:
            req.context.privileged = self._enforcer.allows(req.context.ctxt, rules.PRIVILEGED)
        return bool(req.context.privileged)

    def server(
        self, req: falcon.Request, server_id: str, rule: str, *, deleted: bool = False
    ) -> Instance:
        """The server, if the request may do `rule` to it.

        errors.NotFound when it does not exist or belongs to a project the
        request does not see; errors.Forbidden when it is seen and no more.
        """
        instance = instances.get(self.db, known_id(server_id), deleted=deleted)
        ctxt: RequestContext = req.context.ctxt
        if instance.project_id != ctxt.project_id and not self.privileged(req):
            raise server_not_found(server_id)
        self.check(req, rule, project_id=instance.project_id, user_id=instance.user_id)
        return instance


def known_id(server_id: str) -> str:
    """`server_id`, if it can be one at all; errors.NotFound for anything else."""
    if len(server_id) != 36 or not server_id.isascii() or not server_id.isprintable():
        raise server_not_found(server_id)
    return server_id


def server_not_found(server_id: str) -> errors.NotFound:
    return errors.NotFound(f"Instance {server_id[:64]} could not be found.")
