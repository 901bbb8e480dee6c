"""Policy of a server's disks: images of them, shelving and rebuilding, by Nova's rule names."""

from collections.abc import Mapping

from minova.common import policy

_MEMBER = policy.PROJECT_MEMBER
_ADMIN = policy.ADMIN
_ACTION = ("POST /servers/{server_id}/action",)

# name -> (who may, what it is, METHOD path ...)
RULES: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "servers:create_image": (_MEMBER, "Make an image of a server", _ACTION),
    "servers:create_image:allow_volume_backed": (
        _MEMBER,
        "Make an image of a server that boots from a volume",
        _ACTION,
    ),
    "os-create-backup": (_MEMBER, "Back a server up", _ACTION),
    "os-shelve:shelve": (_MEMBER, "Shelve a server", _ACTION),
    "os-shelve:shelve_offload": (_ADMIN, "Take a shelved server from its host", _ACTION),
    "os-shelve:unshelve": (_MEMBER, "Bring a shelved server back", _ACTION),
    "os-shelve:unshelve_to_host": (_ADMIN, "Choose the host of a server to unshelve", _ACTION),
    "servers:rebuild": (_MEMBER, "Rebuild a server", _ACTION),
    "servers:rebuild:trusted_certs": (
        _MEMBER,
        "Rebuild a server with trusted image certificates",
        _ACTION,
    ),
}
