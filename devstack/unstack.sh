#!/usr/bin/env bash
# Takes the lab down. With --purge nothing of it stays: guests, networks,
# rules, files, databases, passwords. Names what it could not remove.
set -uo pipefail
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PURGE=0
case ${1:-} in
    --purge) PURGE=1 ;;
    '') ;;
    *) echo "Usage: unstack.sh [--purge]   (--purge: also guests, data and configuration)" >&2 && exit 2 ;;
esac
source "$TOP/devstack/settings"
[[ ! -e $CONFIG_PATH/stacked ]] || PROFILE=$(cat "$CONFIG_PATH/stacked")
for file in progress services full; do source "$TOP/devstack/lib/$file.sh"; done
[[ $(id -u) == 0 ]] || die "run unstack.sh as root"

LEFT=()
left() { LEFT+=("$1"); }

remove_domains() {
    command -v virsh >/dev/null && virsh -c qemu:///system version >/dev/null 2>&1 || return 0
    local uuid
    for uuid in $(virsh -c qemu:///system list --all --uuid); do
        virsh -c qemu:///system dumpxml "$uuid" 2>/dev/null | grep -q 'xmlns:minova=' || continue
        virsh -c qemu:///system destroy "$uuid" >/dev/null 2>&1
        virsh -c qemu:///system undefine --managed-save --nvram --snapshots-metadata "$uuid" >/dev/null ||
            left "libvirt domain $uuid"
    done
}

remove_network() {
    [[ -x $VENV/bin/python ]] || return 0
    local name
    while read -r name; do left "$name"; done < <(
        CONFIG_PATH="$CONFIG_PATH" "$VENV/bin/python" -m minova.companions.network.agent.cleanup 2>>"$LOG_PATH/unstack.log"
    )
}

remove_exports() {
    local pid
    for pid in $(pgrep -f "qemu-storage-daemon.*/run/minova/volumes" || true); do
        kill "$pid" 2>/dev/null
    done
    wait_for "exports end" 10 bash -c '! pgrep -f "qemu-storage-daemon.*/run/minova/volumes"' || left "qemu-storage-daemon processes"
}

stop_supervised() {
    has_systemd && return 0
    [[ -S /run/minova-supervisor.sock ]] || return 0
    supervisorctl shutdown >/dev/null
    wait_for "supervisord ends" 60 bash -c '! pgrep -F /run/minova-supervisord.pid' || left "supervisord and its processes"
    rm -f /run/minova-supervisor.sock /run/minova-supervisord.pid
}

remove_files() {
    close_kvm_again || left "the former mode of /dev/kvm"
    sed -i '/^# minova: cgroups are read-only here$/,+1d' /etc/libvirt/qemu.conf 2>/dev/null
    if [[ -e $STATE_PATH/made-user ]]; then userdel minova 2>/dev/null || left "user minova"; fi
    PACKAGES=$(sort -u "$STATE_PATH/installed-packages" 2>/dev/null | tr '\n' ' ')
    rm -rf "$STATE_PATH" "$CONFIG_PATH" /run/minova "$VENV"
    rm -rf "$LOG_PATH"
    local path
    for path in "$STATE_PATH" "$CONFIG_PATH" "$LOG_PATH" /run/minova; do
        [[ ! -e $path ]] || left "$path"
    done
}

mkdir -p "$LOG_PATH"
say "${BOLD}minova goes${PLAIN}"
stop_services && say "  services stopped"
if ((PURGE)); then
    remove_domains && say "  guests removed"
    remove_exports && say "  exports ended"
    remove_network && say "  bridges, namespaces, rules removed"
    [[ $PROFILE != full ]] || remove_broker_and_database_contents || left "MariaDB databases minova_*"
    stop_supervised
    PACKAGES=''
    remove_files && say "  files removed"
    [[ -z $PACKAGES ]] || say "Debian packages that stack.sh installed stay; to remove them: apt-get purge $PACKAGES"
else
    say "  guests, data and configuration stay; --purge removes them too"
fi
if ((${#LEFT[@]})); then
    printf '%s\n' "${RED}${BOLD}could not be removed:${PLAIN}" "${LEFT[@]/#/  }" >&2
    exit 1
fi
