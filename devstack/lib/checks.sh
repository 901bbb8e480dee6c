# shellcheck shell=bash
# Checks before anything is changed: can this machine do the job? Each problem
# is told with what mends it; all of them are told at once.

PROBLEMS=()
problem() { PROBLEMS+=("$1|$2"); }

check_machine() {
    local check
    for check in user system memory disk ports network tun kvm libvirt; do "check_$check"; done
    report_problems
}

# An earlier run passed the checks, and its own services hold ports and routes now.
stacked() { [[ -e $CONFIG_PATH/stacked ]]; }

check_user() {
    [[ $(id -u) == 0 ]] || problem "not root" "run it as root: sudo ./devstack/stack.sh"
}

check_system() {
    [[ $(uname -m) == x86_64 ]] || problem "the CPU is $(uname -m)" "minova's test guest needs x86_64"
    if ! command -v apt-get >/dev/null; then
        problem "no apt-get" "stack.sh knows Debian 12; on another system install minova by hand (README.md)"
        return
    fi
    local name
    name=$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' "${OS_RELEASE:-/etc/os-release}" 2>/dev/null)
    [[ $name == "Debian GNU/Linux 12"* ]] || warn "this is ${name:-an unknown system}; stack.sh is tried on Debian 12 only"
}

check_memory() {
    local mib
    mib=$(awk '/^MemTotal/ { print int($2 / 1024) }' "${MEMINFO:-/proc/meminfo}")
    ((mib >= MIN_MEMORY_MIB)) ||
        problem "$mib MiB of memory, $MIN_MEMORY_MIB are needed" "give the machine more memory, or set MIN_MEMORY_MIB if you know better"
}

check_disk() {
    local folder=$STATE_PATH free
    while [[ ! -d $folder ]]; do folder=$(dirname "$folder"); done
    free=$(df --output=avail -m "$folder" | tail -n 1)
    ((free >= MIN_DISK_MIB)) ||
        problem "${free// /} MiB free at $folder, $MIN_DISK_MIB are needed" "free some space, or set STATE_PATH to a folder on another disk"
}

check_ports() {
    ! stacked || return 0
    local name port
    for name in IDENTITY COMPUTE METADATA VOLUME IMAGE NETWORK CONSOLE; do
        port=${name}_PORT
        check_port "${!port}" "stop what uses it, or choose another: ${name}_PORT=$((${!port} % 10000 + 20000)) ./devstack/stack.sh"
    done
    [[ $PROFILE == full ]] || return 0
    # Debian's own server, if it runs, is used beside whatever else it serves.
    command -v mariadbd >/dev/null || check_port 3306 "stop what uses it: MariaDB needs it"
    command -v rabbitmqctl >/dev/null || check_port 5672 "stop what uses it: RabbitMQ needs it"
}

check_port() {
    local holder
    (exec 3<>"/dev/tcp/$LISTEN/$1") 2>/dev/null || return 0
    holder=$(ss -Hltnp "sport = :$1" 2>/dev/null | grep -o '(("[^"]*",pid=[0-9]*' | head -n 1) || true
    holder=${holder#'(("'}
    problem "port $1 is in use${holder:+ by ${holder/\",pid=/, process }}" "$2"
}

check_network() {
    ! stacked || return 0
    if ! proper_cidr "$PRIVATE_CIDR"; then
        problem "PRIVATE_CIDR=$PRIVATE_CIDR is no IPv4 network of 8 to 29 bits" "write it like 10.233.0.0/24, its host part all zeros"
        return
    fi
    command -v ip >/dev/null || return 0
    local route
    # Those that contain it, and those within it.
    route=$({ ip -4 route show to match "$PRIVATE_CIDR"; ip -4 route show to root "$PRIVATE_CIDR"; } | grep -v '^default' | head -n 1) || true
    [[ -z $route ]] ||
        problem "the host uses $PRIVATE_CIDR already (route: ${route%% })" "choose another: PRIVATE_CIDR=10.99.0.0/24 ./devstack/stack.sh"
}

proper_cidr() {
    [[ $1 =~ ^([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})\.([0-9]{1,3})/([0-9]{1,2})$ ]] || return 1
    local part bits=${BASH_REMATCH[5]} address=0
    for part in "${BASH_REMATCH[@]:1:4}"; do
        ((10#$part <= 255)) || return 1
        address=$((address * 256 + 10#$part))
    done
    ((bits >= 8 && bits <= 29 && (address & ((1 << (32 - bits)) - 1)) == 0))
}

check_tun() {
    [[ -e ${TUN:-/dev/net/tun} ]] || modprobe -n tun 2>/dev/null ||
        problem "there is no /dev/net/tun, which guests' networks need" "load the module (modprobe tun); for a container let its host hand the device in"
}

# What can be seen at once. The proof, booting a kernel, needs QEMU and comes later.
check_kvm() {
    ((REQUIRE_KVM)) || return 0
    local device=${KVM:-/dev/kvm}
    if [[ ! -e $device ]]; then
        problem "no /dev/kvm, and --require-kvm was given" "load the module (modprobe kvm_intel or kvm_amd), allow virtualization in the BIOS or the outer hypervisor, or leave the option out"
    elif ! (exec 3<>"$device") 2>/dev/null; then
        problem "/dev/kvm cannot be opened, and --require-kvm was given" "allow virtualization in the BIOS or the outer hypervisor, or leave the option out"
    fi
}

check_libvirt() {
    command -v virsh >/dev/null || return 0
    local others
    others=$(virsh -c qemu:///system list --all --name 2>/dev/null | grep -v '^instance-' | grep . | tr '\n' ' ') || true
    [[ -z $others ]] || warn "libvirt on this host also runs: ${others% }. minova leaves them alone, and shares memory and CPU with them."
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
