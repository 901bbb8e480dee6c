"""The query of GET /servers: which filters, order and page it asks for.

The tables have a row per parameter: the version from which everyone may use
it, or None when it stays with admins. What one may not use is ignored, as
Nova does; what does not exist at all is refused from 2.75 on. Source: the
compute API reference, List Servers.
"""

import datetime as dt
import json
import re
from collections.abc import Callable

import falcon
from oslo_config import cfg

from minova.api import paging
from minova.api.access import Access, known_id
from minova.api.microversions import Version
from minova.api.validation import boolean, parse_time
from minova.common import errors
from minova.db.server_list import SORT_KEYS, Filters, Page
from minova.model import states
from minova.model.instance import Instance

_EVERYONE: Version = (2, 1)
# parameter -> (column of server_list.EQUAL, from which version everyone may use it)
_EQUAL: dict[str, tuple[str, Version | None]] = {
    "image": ("image_id", _EVERYONE),
    "image_ref": ("image_id", None),
    "flavor": ("flavor_id", _EVERYONE),
    "uuid": ("uuid", None),
    "host": ("host", None),
    "user_id": ("user_id", (2, 83)),
    "vm_state": ("vm_state", (2, 83)),
    "task_state": ("task_state", (2, 83)),
}
# parameter -> (column of server_list.MATCHED, likewise): regular expressions
_MATCHED: dict[str, tuple[str, Version | None]] = {
    "reservation_id": ("reservation_id", _EVERYONE),
    "key_name": ("key_name", (2, 83)),
    "hostname": ("hostname", (2, 90)),
    "description": ("description", None),
    "display_description": ("description", None),
    "root_device_name": ("root_device_name", None),
    "access_ip_v4": ("access_ip_v4", None),
    "access_ip_v6": ("access_ip_v6", None),
    "node": ("node", None),
}
_NUMBERS: dict[str, tuple[str, Version | None]] = {
    "power_state": ("power_state", (2, 83)),
    "progress": ("progress", (2, 83)),
    "launch_index": ("launch_index", None),
}
_FLAGS: dict[str, tuple[str, Version | None]] = {
    "config_drive": ("config_drive", (2, 83)),
    "locked": ("locked", (2, 73)),
}
# parameter -> from which version everyone may use it: a time of the instance's, to the second
_TIMES: dict[str, Version] = {
    "created_at": (2, 83),
    "launched_at": (2, 83),
    "terminated_at": (2, 83),
}
_TAGS: dict[str, Callable[[set[str], set[str]], bool]] = {
    "tags": lambda wanted, has: wanted <= has,
    "tags-any": lambda wanted, has: bool(wanted & has),
    "not-tags": lambda wanted, has: not wanted <= has,
    "not-tags-any": lambda wanted, has: not wanted & has,
}
# Known, and either read elsewhere or without a meaning here.
_OTHER = {
    *("name", "display_name", "status", "ip", "ip6", "limit", "marker", "sort_key", "sort_dir"),
    *("all_tenants", "deleted", "project_id", "tenant_id", "changes-since", "changes-before"),
    *("availability_zone", "kernel_id", "ramdisk_id", "locked_by", "soft_deleted"),
    *("auto_disk_config",),
}
# Names of tables that joined themselves to the query: gone in 2.75.
OLD = {
    *("metadata", "block_device_mapping", "services", "system_metadata", "security_groups"),
    *("info_cache", "pci_devices"),
}
_OLD_UNTIL: Version = (2, 74)
_ADMIN_SORT = {"host", "node"}
# Columns of Nova's that order nothing: left out, with their direction.
_IGNORED_SORT = {
    *("architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device"),
    *("deleted", "deleted_at", "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id"),
    *("info_cache", "internal_id", "kernel_id", "launched_on", "locked_by", "memory_mb"),
    *("metadata", "os_type", "pci_devices", "ramdisk_id", "reservation_id", "root_gb"),
    *("security_groups", "services", "shutdown_terminate", "system_metadata", "tags"),
    *("user_data", "vcpus", "vm_mode", "auto_disk_config"),
}
_LOCKED_SORT_SINCE: Version = (2, 73)
_MOST_REPEATS = 2
_MOST_CHOICES = 4


def known() -> set[str]:
    """Every parameter that GET /servers takes; those of OLD only until 2.74."""
    return {*_OTHER, *OLD, *_EQUAL, *_MATCHED, *_NUMBERS, *_FLAGS, *_TIMES, *_TAGS}


def read(access: Access, req: falcon.Request) -> tuple[Filters, Page] | None:
    """What to list; None when no server can match. Raises errors.Invalid or Forbidden."""
    version: Version = req.context.version
    admin = access.allows(req, "servers:allow_all_filters")
    filters = Filters(default_zone=cfg.CONF.api.default_availability_zone)
    _projects(access, req, filters)
    _equal(req, filters, version, admin)
    name = paging.last(req, "name") or (paging.last(req, "display_name") if admin else None)
    if name:
        filters.name = pattern("name", name)
    _changes(req, filters)
    _deleted(req, filters, admin)
    zone = paging.last(req, "availability_zone")
    if zone and (admin or version >= (2, 83)):
        filters.zone = zone
    _each(req, filters, version, admin)
    if not _statuses(req, filters, version, admin):
        return None
    return filters, _page(access, req)


def _projects(access: Access, req: falcon.Request, filters: Filters) -> None:
    """The caller's own project, whatever else is asked for, unless it is all of them."""
    asked = paging.last(req, "project_id") or paging.last(req, "tenant_id")
    every = paging.last(req, "all_tenants")
    if every is not None and every.lower() not in ("", "true", "1", "yes", "on", "t", "y"):
        if every.lower() not in ("false", "0", "no", "off", "f", "n"):
            raise errors.Invalid(
                f"Invalid value {every[:64]!r} for all_tenants; say True or False."
            )
        every = None
    if every is not None:
        listed = "detail" if req.path.endswith("/detail") else "index"
        access.check(req, f"servers:{listed}:get_all_tenants")
        if asked:
            filters.equal["project_id"] = [asked]
        return
    filters.equal["project_id"] = [req.context.ctxt.project_id]


def _equal(req: falcon.Request, filters: Filters, version: Version, admin: bool) -> None:
    for name, (column, since) in _MATCHED.items():
        text = paging.last(req, name)
        if text and (admin or (since and version >= since)):
            filters.matching[column] = pattern(name, text)
    for name, (column, since) in (_EQUAL | _NUMBERS | _FLAGS).items():
        if name not in req.params or not (admin or (since and version >= since)):
            continue
        raw = req.params[name]
        texts = raw if isinstance(raw, list) else [raw]
        if name in _NUMBERS:
            if not all(text.isdecimal() and len(text) < 10 for text in texts):
                raise errors.Invalid(f"Invalid value for filter {name}: it has to be a number.")
            filters.equal[column] = [int(text) for text in texts]
        elif name in _FLAGS:
            filters.equal[column] = [boolean(text) for text in texts]
        elif name in ("image", "flavor"):
            filters.equal[column] = [text.rstrip("/").rpartition("/")[2] for text in texts]
        else:
            filters.equal[column] = list(texts)


def pattern(name: str, text: str) -> str:
    """A regular expression that is one, and cannot be made to run for ever; errors.Invalid."""
    repeats, choices = len(re.findall(r"[*+{]", text)), len(re.findall(r"[*+{?|]", text))
    simple = len(text) <= 255 and repeats <= _MOST_REPEATS and choices <= _MOST_CHOICES
    # What repeats a group, or looks back at one, may take exponential time.
    if not simple or re.search(r"\)[*+{?]|\\\d|\(\?", text):
        raise errors.Invalid(f"The pattern of filter {name} is too complex; use a simpler one.")
    try:
        re.compile(text)
    except re.error:
        raise errors.Invalid(
            f"The value of filter {name} is no regular expression; put a backslash before its "
            "special characters."
        ) from None
    return text


def _changes(req: falcon.Request, filters: Filters) -> None:
    filters.changed_since, filters.changed_before = changes(req)
    # Who asks what has changed wants to hear of what is gone as well.
    filters.living_too = bool(filters.changed_since or filters.changed_before)


def changes(req: falcon.Request) -> tuple[dt.datetime | None, dt.datetime | None]:
    """The times of `changes-since` and, from 2.66 on, `changes-before`; errors.Invalid."""
    since = _time(req, "changes-since")
    before = _time(req, "changes-before") if req.context.version >= (2, 66) else None
    if since and before and since > before:
        raise errors.Invalid(
            "The value of changes-since must be less than or equal to changes-before"
        )
    return since, before


def _time(req: falcon.Request, name: str) -> dt.datetime | None:
    text = paging.last(req, name)
    if text is None:
        return None
    try:
        return parse_time(text)
    except (ValueError, OverflowError):
        raise errors.Invalid(
            f"Invalid filter field: {name}. Give a time such as 2026-11-21T08:30:00Z."
        ) from None


def _deleted(req: falcon.Request, filters: Filters, admin: bool) -> None:
    if not admin:
        return
    text = paging.last(req, "deleted")
    if text is not None:
        filters.deleted, filters.living_too = boolean(text.lower()), False
    kept = paging.last(req, "soft_deleted")
    if kept is not None:
        filters.soft_deleted = boolean(kept.lower())


def _statuses(req: falcon.Request, filters: Filters, version: Version, admin: bool) -> bool:
    raw = req.params.get("status")
    if raw is None:
        return True
    found: list[states.StatusFilter] = []
    asked = {status.upper() for status in (raw if isinstance(raw, list) else [raw])}
    for status in sorted(asked):
        found += states.states_of(status)
    if not found and version >= (2, 38):
        raise errors.Invalid("Invalid status value")
    if asked == {"DELETED"}:
        if not admin:
            raise errors.Forbidden("Only administrators may list deleted instances")
        filters.deleted = True
    filters.statuses = found
    return bool(found)


def _each(req: falcon.Request, filters: Filters, version: Version, admin: bool) -> None:
    """The filters on what only a whole instance tells."""
    for name, number in (("ip", 4), ("ip6", 6)):
        text = paging.last(req, name)
        if text and (name == "ip" or admin or version >= (2, 5)):
            filters.each.append(_has_address(re.compile(pattern(name, text)), number))
    for name, since in _TIMES.items():
        text = paging.last(req, name)
        if text and (admin or version >= since):
            filters.each.append(_has_time(name, text))
    metadata = paging.last(req, "metadata")
    if metadata and admin and version <= _OLD_UNTIL:
        filters.each.append(_has_metadata(metadata))
    if version >= (2, 26):
        for name, compare in _TAGS.items():
            text = paging.last(req, name)
            if text is not None:
                filters.each.append(_has_tags(set(text.split(",")), compare))


def _has_address(pattern: re.Pattern[str], version: int) -> Callable[[Instance], bool]:
    return lambda instance: any(
        fixed.ip_version == version and pattern.match(fixed.address)
        for vif in instance.vifs
        for fixed in vif.fixed_ips
    )


def _has_time(name: str, text: str) -> Callable[[Instance], bool]:
    try:
        wanted = parse_time(text).replace(microsecond=0)
    except (ValueError, OverflowError):
        raise errors.Invalid(
            f"Invalid filter field: {name}. Give a time such as 2026-11-21T08:30:00Z."
        ) from None

    def matches(instance: Instance) -> bool:
        time: dt.datetime | None = getattr(instance, name)
        return time is not None and time.replace(microsecond=0) == wanted

    return matches


def _has_metadata(text: str) -> Callable[[Instance], bool]:
    try:
        wanted = json.loads(text.replace("'", '"'))
    except ValueError:
        wanted = None
    if not isinstance(wanted, dict):
        raise errors.Invalid('The filter metadata has to be JSON such as {"key": "value"}.')
    return lambda instance: all(instance.metadata.get(k) == v for k, v in wanted.items())


def _has_tags(
    wanted: set[str], compare: Callable[[set[str], set[str]], bool]
) -> Callable[[Instance], bool]:
    return lambda instance: compare(wanted, set(instance.tags))


def _page(access: Access, req: falcon.Request) -> Page:
    marker = paging.last(req, "marker")
    if marker:
        try:
            known_id(marker)
        except errors.NotFound:
            raise errors.Invalid(f"marker [{marker[:64]}] not found") from None
    return Page(limit=paging.limit_of(req), marker=marker or None, sort=_order(access, req))


def _order(access: Access, req: falcon.Request) -> list[tuple[str, bool]]:
    """Keys and whether each descends; what has no direction has that of the first."""
    keys = _listed(req, "sort_key") or ["created_at"]
    directions = _listed(req, "sort_dir") or ["desc"]
    if any(direction not in ("asc", "desc") for direction in directions):
        raise errors.Invalid("Unknown sort direction, must be one of: asc, desc")
    if len(directions) > len(keys):
        raise errors.Invalid("Sort direction size exceeds sort key size")
    first = directions[0]
    directions += [first] * (len(keys) - len(directions))
    locked_too = req.context.version >= _LOCKED_SORT_SINCE
    found = []
    for key, direction in zip(keys, directions, strict=True):
        if key in _IGNORED_SORT or (key == "locked" and not locked_too):
            continue
        if key not in SORT_KEYS:
            raise errors.Invalid(f"Invalid sort key {key[:64]!r}; try created_at or display_name.")
        if key in _ADMIN_SORT and not access.privileged(req):
            raise errors.Forbidden(f"Only administrators can sort servers by {key}")
        found.append((key, direction == "desc"))
    return found or [("created_at", first == "desc")]


def _listed(req: falcon.Request, name: str) -> list[str]:
    value = req.params.get(name)
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
