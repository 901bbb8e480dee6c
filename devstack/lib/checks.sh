# shellcheck shell=bash
# Checks before anything is changed: can this machine do the job?

PROBLEMS=()
problem() { PROBLEMS+=("$1|$2"); }

check_machine() {
    [[ $(id -u) == 0 ]] || problem "not root" "run stack.sh as root: sudo ./devstack/stack.sh"
    command -v apt-get >/dev/null ||
        problem "no apt-get" "stack.sh knows Debian 12; on another system install minova by hand (README.md)"
    [[ $(uname -m) == x86_64 ]] || problem "the CPU is $(uname -m)" "minova's test guest needs x86_64"
    check_memory
    check_disk
    check_ports
    check_network
    check_libvirt
    report_problems
}

check_memory() {
    local mib
    mib=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
    ((mib >= MIN_MEMORY_MIB)) ||
        problem "$mib MiB of memory, $MIN_MEMORY_MIB are needed" "give the machine more memory, or set MIN_MEMORY_MIB if you know better"
}

check_disk() {
    local folder=$STATE_PATH free
    while [[ ! -d $folder ]]; do folder=$(dirname "$folder"); done
    free=$(df --output=avail -m "$folder" | tail -n 1)
    ((free >= MIN_DISK_MIB)) ||
        problem "$free MiB free at $folder, $MIN_DISK_MIB are needed" "free some space, or set STATE_PATH to a folder on another disk"
}

check_ports() {
    local port holder
    # Our own services of an earlier run may hold them.
    [[ ! -e $CONFIG_PATH/stacked ]] || return 0
    for port in $IDENTITY_PORT $COMPUTE_PORT $METADATA_PORT $VOLUME_PORT $IMAGE_PORT $NETWORK_PORT; do
        if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            holder=$(ss -Hltnp "sport = :$port" 2>/dev/null | grep -o 'users:.*' || true)
            problem "port $port is in use ${holder}" "stop what uses it, or set another port (see devstack/settings)"
        fi
    done
}

check_network() {
    [[ -e $CONFIG_PATH/stacked ]] && return 0
    if command -v ip >/dev/null && ip -4 route show to match "${PRIVATE_CIDR%/*}" | grep -qv '^default'; then
        problem "the host already has a route to $PRIVATE_CIDR" "choose another: PRIVATE_CIDR=10.99.0.0/24 ./devstack/stack.sh"
    fi
    [[ -e /dev/net/tun ]] || modprobe -n tun 2>/dev/null ||
        problem "/dev/net/tun is missing" "load the module: modprobe tun"
}

check_libvirt() {
    command -v virsh >/dev/null || return 0
    local others
    others=$(virsh -c qemu:///system list --all --name 2>/dev/null | grep -v '^instance-' | grep . | tr '\n' ' ' || true)
    [[ -z $others ]] || warn "libvirt on this host also runs: $others— minova leaves them alone, and shares memory and CPU with them."
}

report_problems() {
    ((${#PROBLEMS[@]})) || return 0
    printf '%s\n' "${RED}${BOLD}This machine cannot run minova yet; nothing has been changed.${PLAIN}" >&2
    local entry
    for entry in "${PROBLEMS[@]}"; do
        printf '  %s✗%s %s\n      → %s\n' "$RED" "$PLAIN" "${entry%%|*}" "${entry#*|}" >&2
    done
    exit 1
}
