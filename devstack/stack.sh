#!/usr/bin/env bash
# One command from a bare Debian 12 to a cloud with a running guest.
# Safe to run again: what is done is not done twice, what is missing is made.
set -euo pipefail
TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
    cat <<'HELP'
Usage: stack.sh [--profile embedded|full] [--no-demo] [--require-kvm]

  --profile embedded   every service in one process, SQLite (default)
  --profile full       one process per service, RabbitMQ and MariaDB
  --no-demo            launch no server
  --require-kvm        stop if KVM does not work here, instead of emulating

Settings and their defaults: devstack/settings.
HELP
}

DEMO=1 REQUIRE_KVM=0
GIVEN=("$@")
while (($#)); do
    case $1 in
        --profile) PROFILE=${2-none} && shift $(($# > 1)) ;;
        --profile=*) PROFILE=${1#*=} ;;
        --no-demo) DEMO=0 ;;
        --require-kvm) REQUIRE_KVM=1 ;;
        -h | --help) usage && exit ;;
        *) usage >&2 && exit 2 ;;
    esac
    shift
done
source "$TOP/devstack/settings"
[[ $PROFILE == embedded || $PROFILE == full ]] || { usage >&2 && exit 2; }
for file in progress checks packages services full; do
    # shellcheck source=/dev/null
    source "$TOP/devstack/lib/$file.sh"
done

check_profile() {
    local former
    former=$(cat "$CONFIG_PATH/stacked" 2>/dev/null) || former=$PROFILE
    [[ $former == "$PROFILE" ]] ||
        die "this host runs the $former profile; run ./devstack/unstack.sh --purge first, or stack.sh --profile $former"
}

# Which accelerator: proven by booting an ordinary kernel, not guessed from /dev/kvm.
probe_kvm() {
    python3 "$TOP/minova/virt/libvirt/kvmprobe.py" --kernel "$STATE_PATH/guest/vmlinuz" \
        --initrd "$STATE_PATH/guest/probe-initrd" \
        --cache "$STATE_PATH/guest/kvm-verdict.json" >"$STATE_PATH/guest/kvm-verdict" 2>&1 || true
    cat "$STATE_PATH/guest/kvm-verdict"
}

choose_accelerator() {
    if grep -q '^KVM is usable' "$STATE_PATH/guest/kvm-verdict"; then
        VIRT_TYPE=kvm
        return
    fi
    local reason
    reason=$(head -n 1 "$STATE_PATH/guest/kvm-verdict")
    reason=${reason#KVM is not usable: }
    ((!REQUIRE_KVM)) || die "KVM does not work here, and --require-kvm was given: $reason"
    VIRT_TYPE=qemu
    warn "KVM does not work on this machine: $reason"
    warn "Guests are emulated (virt_type=qemu): everything works, but they boot several times slower."
}

write_config() { "$VENV/bin/python" "$TOP/devstack/write_config.py"; }

set_up_databases() {
    if [[ $PROFILE == full ]]; then
        start_broker_and_database
    fi
    "$VENV/bin/minova" db sync
    "$VENV/bin/minova" keys setup
    "$VENV/bin/minova" bootstrap "$CONFIG_PATH/passwords.json"
    if [[ $PROFILE == full ]]; then
        chown -R minova:minova "$STATE_PATH/identity" "$STATE_PATH/db"
    fi
}

keep_settings() {
    local name
    # shellcheck disable=SC2016  # expanded when it is read
    for name in "${SETTINGS[@]}"; do printf ': "${%s:=%q}"\n' "$name" "${!name}"; done >"$CONFIG_PATH/settings"
    echo "$PROFILE" >"$CONFIG_PATH/stacked"
}

contents() { "$VENV/bin/python" "$TOP/devstack/contents.py" "$@"; }

main() {
    check_machine
    check_profile
    hold_lock "$0" "${GIVEN[@]}"
    trap interrupted INT TERM
    choose_venv
    say "${BOLD}minova, $PROFILE profile${PLAIN} (log: $LOG_PATH/stack.log)"
    install -d -m 0755 "$STATE_PATH" "$LOG_PATH" "$CONFIG_PATH"
    remember_services
    stage "Debian packages" install_packages
    stages "Python packages" make_venv "test guest" make_guest_image
    stage "KVM probe" probe_kvm
    choose_accelerator
    export PROFILE STATE_PATH LOG_PATH CONFIG_PATH LISTEN IDENTITY_PORT COMPUTE_PORT METADATA_PORT
    export VOLUME_PORT IMAGE_PORT NETWORK_PORT CONSOLE_PORT PRIVATE_CIDR PRIVATE_MTU VIRT_TYPE
    stage "user and folders" make_user_and_folders
    stage "configuration" write_config
    keep_settings
    stage "libvirt" start_libvirt
    stage "databases" set_up_databases
    stage "services" start_services
    stage "flavors, image, network" contents base
    if ((DEMO)); then
        stage "the server demo" contents demo
    fi
    say "${GREEN}${BOLD}The cloud stands after $((SECONDS - STARTED)) s.${PLAIN}"
    if ((DEMO)); then
        "$VENV/bin/minova" xray demo
        say ""
        say "  log in:      ${BOLD}$(contents login)${PLAIN}"
    fi
    say "  use it:      ${BOLD}source $TOP/devstack/openrc${PLAIN}, then openstack server list"
    say "  remove it:   $TOP/devstack/unstack.sh --purge"
}

main
