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
for file in progress packages services full; do
    # shellcheck source=/dev/null
    source "$TOP/devstack/lib/$file.sh"
done
[[ $(id -u) == 0 ]] || die "run unstack.sh as root: sudo ./devstack/unstack.sh $*"
hold_lock "$0" "$@"
choose_venv


LEFT=()
left() { LEFT+=("$1"); }
virsh_here() { virsh -q -c qemu:///system "$@"; }

# domains ours|others: by the mark that minova leaves in each of its domains.
domains() {
    local uuid whose
    for uuid in $(virsh_here list --all --uuid 2>/dev/null); do
        whose=others
        [[ $(virsh_here dumpxml "$uuid" 2>/dev/null) != *xmlns:minova=* ]] || whose=ours
        [[ $1 != "$whose" ]] || echo "$uuid"
    done
}
domains_of_others() { domains others; }

remove_domains() {
    command -v virsh >/dev/null || return 0
    # After a reboot without systemd nobody has started it.
    virsh_here version >/dev/null 2>&1 || [[ ! -e $CONFIG_PATH/stacked ]] || start_libvirt >>"$LOG_PATH/unstack.log" 2>&1
    if [[ -e $CONFIG_PATH/stacked ]] && ! virsh_here version >/dev/null 2>&1; then
        left "guests: libvirt does not answer (virsh -c qemu:///system version)"
        return
    fi
    local uuid
    for uuid in $(domains ours); do
        virsh_here destroy "$uuid" >/dev/null 2>&1
        virsh_here undefine --managed-save --nvram --snapshots-metadata "$uuid" >/dev/null ||
            left "libvirt domain $uuid"
    done
    grep -ls 'manufacturer=minova' /var/log/libvirt/qemu/instance-*.log* | xargs -r rm -f
}

remove_network() {
    [[ -e $CONFIG_PATH/stacked ]] || return 0
    if [[ ! -x $VENV/bin/python ]]; then
        left "bridges, namespaces and rules of the networks: $VENV is gone; run stack.sh, then unstack.sh --purge again"
        return
    fi
    local name
    while read -r name; do left "$name"; done < <(
        cd "$SOURCE" && CONFIG_PATH="$CONFIG_PATH" "$VENV/bin/python" -m minova.companions.network.agent.cleanup 2>>"$LOG_PATH/unstack.log"
    )
}

exports() { pgrep --ns $$ --nslist net -f '^qemu-storage-daemon .*/run/minova/volumes/' | sort; }
no_exports() { [[ -z $(exports) ]]; }

remove_exports() {
    local pid
    for pid in $(exports); do kill "$pid" 2>/dev/null; done
    wait_for "exports end" 10 no_exports >/dev/null || left "processes of volumes: $(exports | tr '\n' ' ')"
}

stop_supervised() {
    if has_systemd || [[ ! -S /run/minova-supervisor.sock ]]; then return 0; fi
    local pid
    pid=$(supervisorctl pid)
    supervisorctl shutdown >/dev/null
    wait_for "supervisord ends" 60 test ! -e "/proc/$pid" || left "supervisord (process $pid) and its programs"
    rm -f /run/minova-supervisor.sock /run/minova-supervisord.pid
    [[ ! -e $STATE_PATH/made-epmd ]] || epmd -kill >/dev/null 2>&1
    [[ ! -e $STATE_PATH/made-mysqld-folder ]] || rm -rf /run/mysqld
}

remove_files() {
    if [[ -e $STATE_PATH/made-user ]] && getent passwd minova >/dev/null && ! userdel minova 2>>"$LOG_PATH/unstack.log"; then
        left "user minova, of processes $(pgrep -u minova | tr '\n' ' ')"
        return
    fi
    close_kvm_again || left "the former mode of /dev/kvm"
    if grep -qs '^# minova: ' /etc/libvirt/qemu.conf; then
        sed -i '/^# minova: cgroups are read-only here$/,+1d' /etc/libvirt/qemu.conf
        ! has_systemd || systemctl try-restart libvirtd.service
    fi
    allow_service_starts
    PACKAGES=$(sort -u "$STATE_PATH/installed-packages" 2>/dev/null | tr '\n' ' ')
    [[ ! -e $STATE_PATH/made-venv ]] || rm -rf "$VENV"
    [[ $(readlink "$TOP/.venv") != "$STATE_PATH"/* ]] || rm -f "$TOP/.venv"
    rm -rf "$STATE_PATH" "$CONFIG_PATH" "$LOG_PATH" /run/minova
    local path
    for path in "$STATE_PATH" "$CONFIG_PATH" "$LOG_PATH" /run/minova; do
        [[ ! -e $path ]] || left "$path"
    done
}

if [[ ! -e $STATE_PATH && ! -e $CONFIG_PATH ]]; then
    say "minova is not on this host"
    exit
fi
mkdir -p "$LOG_PATH"
say "${BOLD}minova goes${PLAIN}"
stop_services
say "  services stopped"
if ((PURGE)); then
    remove_domains
    say "  guests removed"
    remove_exports
    remove_network
    say "  volumes' exports, bridges, namespaces, rules removed"
    [[ $PROFILE != full ]] || remove_broker_and_database_contents || left "MariaDB databases minova_*, or RabbitMQ's vhost minova"
    restore_services
    stop_supervised
    PACKAGES=''
    ((${#LEFT[@]})) || remove_files
    [[ -z $PACKAGES ]] || say "Debian packages that stack.sh installed stay; to remove them: apt-get purge $PACKAGES"
else
    say "  guests, data and configuration stay; stack.sh takes them up again, --purge removes them"
fi
if ((${#LEFT[@]})); then
    printf '%s\n' "${RED}${BOLD}could not be removed:${PLAIN}" "${LEFT[@]/#/  }" >&2
    ((!PURGE)) || printf '%s\n' "What is needed to try again stays in $STATE_PATH, $CONFIG_PATH and $LOG_PATH." >&2
    exit 1
fi
