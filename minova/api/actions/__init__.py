"""What POST /servers/{server_id}/action can do: one table, made of each topic's own."""

from minova.api.actions import (
    admin,
    console,
    deferred,
    fixed_ips,
    floating_ips,
    images,
    live_moves,
    locking,
    password,
    power,
    rebuild,
    rescue,
    resize,
    security_groups,
    shelving,
    sleep,
)
from minova.api.actions.row import Action, Call, Tools

__all__ = ["ACTIONS", "LATER", "Action", "Call", "Tools"]

ACTIONS: dict[str, Action] = {
    **power.ACTIONS,
    **password.ACTIONS,
    **rescue.ACTIONS,
    **images.ACTIONS,
    **rebuild.ACTIONS,
    **shelving.ACTIONS,
    **resize.ACTIONS,
    **live_moves.ACTIONS,
    **sleep.ACTIONS,
    **locking.ACTIONS,
    **admin.ACTIONS,
    **deferred.ACTIONS,
    **console.ACTIONS,
    **security_groups.ACTIONS,
    **fixed_ips.ACTIONS,
    **floating_ips.ACTIONS,
}

# Nova's actions that are not here yet: 501 says so, where 400 would deny that they exist.
LATER = frozenset(
    (
        *("pause", "unpause", "suspend", "resume", "rescue", "unrescue", "rebuild", "resize"),
        *("confirmResize", "revertResize", "migrate", "os-migrateLive", "evacuate", "createImage"),
        *("createBackup", "shelve", "shelveOffload", "unshelve", "changePassword", "restore"),
        *("forceDelete", "trigger_crash_dump", "os-getVNCConsole", "os-getSPICEConsole"),
        *("os-getSerialConsole", "os-getRDPConsole", "resetNetwork", "injectNetworkInfo"),
        *("addFixedIp", "removeFixedIp", "addFloatingIp", "removeFloatingIp"),
    )
) - set(ACTIONS)
