"""What an image asks of the host that runs its guests."""

from collections.abc import Mapping, Sequence
from typing import Any


def refusal(properties: Mapping[str, Any], supported: Sequence[Sequence[str]]) -> str | None:
    """Why a host will not do, None if it will.

    `supported` lists what it runs: architecture, hypervisor type, guest type.
    """
    arch = properties.get("hw_architecture")
    kind = properties.get("img_hv_type")
    if arch and not any(entry[0] == arch for entry in supported):
        return f"no architecture {arch}"
    if kind and not any(entry[1] == kind for entry in supported):
        return f"no hypervisor type {kind}"
    return None
