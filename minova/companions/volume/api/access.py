"""Whose volume is it, and may the caller do this with it?"""

import re
from dataclasses import dataclass

import falcon

from minova.common.context import RequestContext
from minova.common.policy import Enforcer
from minova.companions.volume.queries import attachments, snapshots, volumes
from minova.companions.volume.records import Attachment, Snapshot, Volume
from minova.db.engine import Database
from minova.policies.volume import PRIVILEGED

# Anything else is no id of ours; names end up here, too, when clients look one up.
_ID = re.compile(r"[0-9a-f-]{36}")


@dataclass(frozen=True)
class Access:
    """Looks volumes and attachments up for a request; foreign ones are not found."""

    db: Database
    enforcer: Enforcer

    def volume(self, req: falcon.Request, volume_id: str, rule: str) -> Volume:
        """The volume, if the caller may do `rule` with it; NotFound or Forbidden."""
        ctxt = req.context.ctxt
        if not _ID.fullmatch(volume_id):
            raise volumes.missing(volume_id)
        volume = volumes.get(self.db, volume_id, self.scope(ctxt))
        self.enforcer.authorize(ctxt, rule, {"project_id": volume.project_id})
        return volume

    def snapshot(self, req: falcon.Request, snapshot_id: str, rule: str) -> Snapshot:
        """The snapshot, likewise."""
        ctxt = req.context.ctxt
        if not _ID.fullmatch(snapshot_id):
            raise snapshots.missing(snapshot_id)
        snapshot = snapshots.get(self.db, snapshot_id, self.scope(ctxt))
        self.enforcer.authorize(ctxt, rule, {"project_id": snapshot.project_id})
        return snapshot

    def attachment(
        self, req: falcon.Request, attachment_id: str, rule: str
    ) -> tuple[Attachment, Volume]:
        """The attachment and its volume, likewise."""
        ctxt = req.context.ctxt
        if not _ID.fullmatch(attachment_id):
            raise attachments.missing(attachment_id)
        attachment = attachments.get(self.db, attachment_id, self.scope(ctxt))
        volume = volumes.get(self.db, attachment.volume_id)
        self.enforcer.authorize(ctxt, rule, {"project_id": volume.project_id})
        return attachment, volume

    def scope(self, ctxt: RequestContext) -> str | None:
        """The project whose records the caller sees; None: all of them."""
        if self.privileged(ctxt):
            return None
        # "" is no project's id: a token without a project sees nothing.
        return ctxt.project_id or ""

    def privileged(self, ctxt: RequestContext) -> bool:
        return self.enforcer.allows(ctxt, PRIVILEGED, {})

    def own(self, req: falcon.Request, rule: str) -> RequestContext:
        """The caller's context, if `rule` is allowed in its own project."""
        ctxt: RequestContext = req.context.ctxt
        self.enforcer.authorize(ctxt, rule)
        return ctxt
