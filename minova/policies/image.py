"""Who may do what to images: the defaults, by the names Glance's operators know.

The target of a rule that concerns an image holds `project_id` (its owner),
`visibility` and `member_id` (the caller's project, if the image is shared
with it).
"""

from oslo_policy import policy

from minova.common.policy import ADMIN, ADMIN_OR_SERVICE, PROJECT_MEMBER, PROJECT_READER, SERVICE

_OPEN = "'public':%(visibility)s or 'community':%(visibility)s or project_id:%(member_id)s"
_SEEN = f"({PROJECT_READER}) or (role:reader and ({_OPEN}))"
_IMAGE = "/v2/images/{image_id}"
_MEMBERS = f"{_IMAGE}/members"
_MEMBER = f"{_MEMBERS}/{{member_id}}"

# name, default, what it allows, (method, path)...
_TABLE: tuple[tuple[str, str, str, tuple[tuple[str, str], ...]], ...] = (
    ("get_images", "role:reader or role:admin or role:service", "List images",
     (("GET", "/v2/images"),)),
    ("get_all_images", ADMIN_OR_SERVICE, "See and list the images of every project",
     (("GET", "/v2/images"),)),
    ("get_image", _SEEN, "Show an image", (("GET", _IMAGE),)),
    ("get_image_location", SERVICE, "See where in the file store an image's data is",
     (("GET", _IMAGE),)),
    ("add_image", PROJECT_MEMBER, "Create an image", (("POST", "/v2/images"),)),
    ("modify_image", PROJECT_MEMBER, "Change an image and its tags",
     (("PATCH", _IMAGE), ("PUT", f"{_IMAGE}/tags/{{tag}}"), ("DELETE", f"{_IMAGE}/tags/{{tag}}"))),
    ("delete_image", PROJECT_MEMBER, "Delete an image", (("DELETE", _IMAGE),)),
    ("publicize_image", ADMIN, "Make an image public", (("POST", "/v2/images"), ("PATCH", _IMAGE))),
    ("communitize_image", PROJECT_MEMBER, "Make an image a community image",
     (("POST", "/v2/images"), ("PATCH", _IMAGE))),
    ("set_image_owner", ADMIN_OR_SERVICE, "Give an image to another project",
     (("POST", "/v2/images"), ("PATCH", _IMAGE))),
    ("upload_image", PROJECT_MEMBER, "Send an image's data",
     (("PUT", f"{_IMAGE}/file"), ("PUT", f"{_IMAGE}/stage"), ("POST", f"{_IMAGE}/import"))),
    ("download_image", _SEEN, "Fetch an image's data", (("GET", f"{_IMAGE}/file"),)),
    ("download_deactivated_image", ADMIN, "Fetch a deactivated image's data",
     (("GET", f"{_IMAGE}/file"),)),
    ("deactivate", PROJECT_MEMBER, "Deactivate an image",
     (("POST", f"{_IMAGE}/actions/deactivate"),)),
    ("reactivate", PROJECT_MEMBER, "Reactivate an image",
     (("POST", f"{_IMAGE}/actions/reactivate"),)),
    ("add_member", PROJECT_MEMBER, "Share an image", (("POST", _MEMBERS),)),
    ("delete_member", PROJECT_MEMBER, "Stop sharing an image", (("DELETE", _MEMBER),)),
    ("get_members", PROJECT_READER, "See everybody an image is shared with",
     (("GET", _MEMBERS), ("GET", _MEMBER))),
    ("modify_member", "role:admin or (role:member and project_id:%(member_id)s)",
     "Accept or reject an image shared with one's project", (("PUT", _MEMBER),)),
)  # fmt: skip


def list_rules() -> list[policy.DocumentedRuleDefault]:
    """Every rule the image service enforces."""
    return [
        policy.DocumentedRuleDefault(
            name=name,
            check_str=check,
            description=description,
            operations=[{"method": method, "path": path} for method, path in operations],
            scope_types=["project"],
        )
        for name, check, description, operations in _TABLE
    ]
