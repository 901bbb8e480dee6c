"""Which images a request may see, and what it may do to them."""

from typing import Any

from minova.common.context import RequestContext
from minova.common.policy import Enforcer
from minova.companions.image import members, queries
from minova.companions.image.listing import Viewer
from minova.companions.image.records import COMMUNITY, PUBLIC, SHARED, Image
from minova.db.engine import Database
from minova.policies import image as rules


class Access:
    """Finds images the way a caller may see them. What he may not see does not exist."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._policy = Enforcer(rules.list_rules())

    def viewer(self, ctxt: RequestContext) -> Viewer:
        """Whose images `ctxt` lists."""
        self._policy.authorize(ctxt, "get_images")
        return Viewer(ctxt.project_id, self._policy.allows(ctxt, "get_all_images"))

    def find(self, ctxt: RequestContext, image_id: str, rule: str = "get_image") -> Image:
        """The image, if `ctxt` may see it and `rule` allows; NotFound, Forbidden."""
        image = queries.get(self._db, image_id)
        member_id = self._member_id(ctxt, image)
        if not self._sees(ctxt, image, member_id):
            raise queries.not_found(image_id)
        self._policy.authorize(ctxt, rule, self._target(image, member_id))
        return image

    def authorize(self, ctxt: RequestContext, rule: str, image: Image | None = None) -> None:
        """Forbidden unless `rule` allows `ctxt` to act on `image` (or on its own project)."""
        target = None if image is None else self._target(image, "")
        self._policy.authorize(ctxt, rule, target)

    def allows(self, ctxt: RequestContext, rule: str, image: Image) -> bool:
        return self._policy.allows(ctxt, rule, self._target(image, ""))

    def authorize_member(self, ctxt: RequestContext, rule: str, member_id: str) -> None:
        """Forbidden unless `rule` allows `ctxt` to speak for the member project."""
        self._policy.authorize(ctxt, rule, {"project_id": "", "member_id": member_id})

    def sees_locations(self, ctxt: RequestContext) -> bool:
        """Whether `ctxt` is told where in the store data is; the same for every image."""
        return self._policy.allows(ctxt, "get_image_location")

    def _member_id(self, ctxt: RequestContext, image: Image) -> str:
        """The caller's project if the image is shared with it, else ''."""
        if image.visibility != SHARED or not ctxt.project_id or image.owner == ctxt.project_id:
            return ""
        found = members.find(self._db, image.id, ctxt.project_id)
        return ctxt.project_id if found else ""

    def _sees(self, ctxt: RequestContext, image: Image, member_id: str) -> bool:
        if member_id or image.visibility in (PUBLIC, COMMUNITY):
            return True
        if ctxt.project_id and image.owner == ctxt.project_id:
            return True
        return self._policy.allows(ctxt, "get_all_images")

    @staticmethod
    def _target(image: Image, member_id: str) -> dict[str, Any]:
        return {
            "project_id": image.owner or "",
            "visibility": image.visibility,
            "member_id": member_id,
        }
