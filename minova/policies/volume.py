"""Policy of the volume service, by Cinder's rule names.

Targets carry the `project_id` of the volume. Whose volumes a request may see
at all is decided before, by `PRIVILEGED`: a foreign project's ids answer 404.
"""

from collections.abc import Mapping

from oslo_policy import policy as oslo_policy

from minova.common import policy

# Sees every project's volumes and may act for any project.
PRIVILEGED = "context_is_privileged"

_MEMBER = policy.PROJECT_MEMBER
_READER = policy.PROJECT_READER
_ADMIN = policy.ADMIN
_ADMIN_OR_SERVICE = policy.ADMIN_OR_SERVICE
_ANYONE = policy.ANYONE
# The token may be the user's when a service's own comes beside it (X-Service-Token).
_FOR_SERVICES = f"{_ADMIN_OR_SERVICE} or service_roles:service"

_VOLUME = "/volumes/{volume_id}"
_ACTION = f"POST {_VOLUME}/action"
_METADATA = f"{_VOLUME}/metadata"
_SNAPSHOT = "/snapshots/{snapshot_id}"
_ATTACHMENT = "/attachments/{attachment_id}"
_QUOTA = "/os-quota-sets/{project_id}"

# name -> (who may, what it is, METHOD path ...)
_RULES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    PRIVILEGED: (_ADMIN_OR_SERVICE, "See and act on every project's volumes", ("GET /volumes",)),
    "volume:create": (_MEMBER, "Create a volume", ("POST /volumes",)),
    "volume:get": (_READER, "Show a volume", (f"GET {_VOLUME}",)),
    "volume:get_all": (_READER, "List volumes", ("GET /volumes", "GET /volumes/detail")),
    "volume:update": (_MEMBER, "Rename a volume", (f"PUT {_VOLUME}",)),
    "volume:delete": (_MEMBER, "Delete a volume", (f"DELETE {_VOLUME}",)),
    "volume:force_delete": (_ADMIN, "Delete a volume in any status", (f"DELETE {_VOLUME}",)),
    "volume:extend": (_MEMBER, "Make a volume larger", (_ACTION,)),
    "volume:update_readonly_flag": (_MEMBER, "Make a volume read-only", (_ACTION,)),
    "volume:get_volume_metadata": (_READER, "Read a volume's metadata", (f"GET {_METADATA}",)),
    "volume:create_volume_metadata": (
        _MEMBER,
        "Add metadata to a volume",
        (f"POST {_METADATA}",),
    ),
    "volume:update_volume_metadata": (
        _MEMBER,
        "Change a volume's metadata",
        (f"PUT {_METADATA}", f"PUT {_METADATA}/{{key}}"),
    ),
    "volume:delete_volume_metadata": (
        _MEMBER,
        "Delete a volume's metadata",
        (f"DELETE {_METADATA}/{{key}}",),
    ),
    "volume:create_snapshot": (_MEMBER, "Snapshot a volume", ("POST /snapshots",)),
    "volume:get_snapshot": (_READER, "Show a snapshot", (f"GET {_SNAPSHOT}",)),
    "volume:get_all_snapshots": (
        _READER,
        "List snapshots",
        ("GET /snapshots", "GET /snapshots/detail"),
    ),
    "volume:update_snapshot": (_MEMBER, "Rename a snapshot", (f"PUT {_SNAPSHOT}",)),
    "volume:delete_snapshot": (_MEMBER, "Delete a snapshot", (f"DELETE {_SNAPSHOT}",)),
    "volume:get_snapshot_metadata": (
        _READER,
        "Read a snapshot's metadata",
        (f"GET {_SNAPSHOT}/metadata", f"GET {_SNAPSHOT}/metadata/{{key}}"),
    ),
    "volume:update_snapshot_metadata": (
        _MEMBER,
        "Change a snapshot's metadata",
        (f"POST {_SNAPSHOT}/metadata", f"PUT {_SNAPSHOT}/metadata"),
    ),
    "volume:delete_snapshot_metadata": (
        _MEMBER,
        "Delete a snapshot's metadata",
        (f"DELETE {_SNAPSHOT}/metadata/{{key}}",),
    ),
    "volume_extension:snapshot_admin_actions:reset_status": (
        _ADMIN,
        "Set a snapshot's status",
        (f"POST {_SNAPSHOT}/action",),
    ),
    "volume_extension:snapshot_admin_actions:force_delete": (
        _ADMIN,
        "Delete a snapshot in any status",
        (f"POST {_SNAPSHOT}/action",),
    ),
    "snapshot_extension:snapshot_actions:update_snapshot_status": (
        _MEMBER,
        "Say how far the making or deletion of a snapshot is",
        (f"POST {_SNAPSHOT}/action",),
    ),
    "volume:revert_to_snapshot": (_MEMBER, "Revert a volume to its latest snapshot", (_ACTION,)),
    "volume:retype": (_MEMBER, "Give a volume another type", (_ACTION,)),
    "volume_extension:volume_host_attribute": (
        _ADMIN,
        "See which host has a volume",
        (f"GET {_VOLUME}",),
    ),
    "volume_extension:volume_image_metadata:set": (
        _MEMBER,
        "Change the image metadata of a volume",
        (_ACTION,),
    ),
    "volume_extension:volume_actions:reimage": (
        _MEMBER,
        "Make a volume anew from an image",
        (_ACTION,),
    ),
    "volume_extension:volume_actions:upload_image": (
        _MEMBER,
        "Make an image of a volume",
        (_ACTION,),
    ),
    "volume_extension:volume_actions:set_bootable": (
        _MEMBER,
        "Mark a volume as bootable",
        (_ACTION,),
    ),
    "volume_extension:volume_actions:reserve": (_MEMBER, "Reserve a volume", (_ACTION,)),
    "volume_extension:volume_actions:unreserve": (_MEMBER, "Unreserve a volume", (_ACTION,)),
    "volume_extension:volume_actions:attach": (
        _MEMBER,
        "Note that a server has a volume",
        (_ACTION,),
    ),
    "volume_extension:volume_actions:begin_detaching": (
        _MEMBER,
        "Mark a volume as detaching",
        (_ACTION,),
    ),
    "volume_extension:volume_actions:roll_detaching": (
        _MEMBER,
        "Take the mark `detaching` back",
        (_ACTION,),
    ),
    "volume_extension:volume_actions:detach": (
        _MEMBER,
        "Detach a volume that no guest uses; one in use takes a service",
        (_ACTION,),
    ),
    "volume_extension:volume_actions:initialize_connection": (
        _FOR_SERVICES,
        "Export a volume to a host",
        (_ACTION,),
    ),
    "volume_extension:volume_actions:terminate_connection": (
        _MEMBER,
        "End a connection that no guest uses; one in use takes a service",
        (_ACTION,),
    ),
    "volume_extension:volume_admin_actions:reset_status": (
        _ADMIN,
        "Set a volume's status",
        (_ACTION,),
    ),
    "volume_extension:volume_admin_actions:force_delete": (
        _ADMIN,
        "Delete a volume in any status",
        (_ACTION,),
    ),
    "volume_extension:volume_admin_actions:extend_volume_completion": (
        _ADMIN_OR_SERVICE,
        "Say that a guest has the larger volume",
        (_ACTION,),
    ),
    "volume_extension:volume_admin_actions:migrate_volume": (
        _ADMIN,
        "Move a volume to another host",
        (_ACTION,),
    ),
    "volume_extension:volume_admin_actions:migrate_volume_completion": (
        _ADMIN_OR_SERVICE,
        "Put a new volume in the place of an old one",
        (_ACTION,),
    ),
    "volume_extension:volume_admin_actions:force_detach": (
        _ADMIN_OR_SERVICE,
        "Detach a volume in any status",
        (_ACTION,),
    ),
    "volume:attachment_get": (
        _READER,
        "List and show attachments",
        ("GET /attachments", f"GET {_ATTACHMENT}"),
    ),
    "volume:attachment_connection_info": (
        _FOR_SERVICES,
        "See where an attached volume is exported",
        (f"GET {_ATTACHMENT}",),
    ),
    "volume:attachment_create": (_MEMBER, "Reserve a volume for a server", ("POST /attachments",)),
    "volume:attachment_update": (
        _FOR_SERVICES,
        "Export a volume to a host",
        (f"PUT {_ATTACHMENT}", "POST /attachments"),
    ),
    "volume:attachment_complete": (
        _FOR_SERVICES,
        "Note that a guest has its volume",
        (f"POST {_ATTACHMENT}/action",),
    ),
    "volume:attachment_delete": (
        _MEMBER,
        "End an attachment that no guest uses; one in use takes a service",
        (f"DELETE {_ATTACHMENT}",),
    ),
    "volume:availability_zone_list": (
        _ANYONE,
        "List availability zones",
        ("GET /os-availability-zone",),
    ),
    "volume_extension:type_get": (
        _ANYONE,
        "List and show volume types",
        ("GET /types", "GET /types/{type_id}"),
    ),
    "volume_extension:services:index": (_ADMIN, "List the services", ("GET /os-services",)),
    "volume_extension:quotas:show": (_READER, "Show a project's quota", (f"GET {_QUOTA}",)),
    "volume_extension:quotas:update": (_ADMIN, "Change a project's quota", (f"PUT {_QUOTA}",)),
    "volume_extension:quotas:delete": (
        _ADMIN,
        "Give a project the default quota",
        (f"DELETE {_QUOTA}",),
    ),
    "limits_extension:used_limits": (_READER, "Show a project's limits", ("GET /limits",)),
}


def list_rules() -> list[oslo_policy.DocumentedRuleDefault]:
    """Every rule with its default."""
    rules = []
    for name, (check, text, operations) in _RULES.items():
        pairs = [operation.split(" ", 1) for operation in operations]
        rules.append(
            oslo_policy.DocumentedRuleDefault(
                name, check, text, [{"method": method, "path": path} for method, path in pairs]
            )
        )
    return rules
