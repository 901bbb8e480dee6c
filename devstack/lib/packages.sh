# shellcheck shell=bash
# Debian packages and the Python environment.

HOST_PACKAGES=(
    qemu-system-x86 qemu-utils ovmf libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients
    nftables dnsmasq-base iproute2 procps genisoimage openssh-client openssl novnc
    python3-venv python3-dev gcc libvirt-dev pkg-config
    syslinux mtools dosfstools e2fsprogs fdisk cpio binutils xz-utils
)
FULL_PACKAGES=(rabbitmq-server mariadb-server)

install_packages() {
    local missing
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]})) || return 0
    export DEBIAN_FRONTEND=noninteractive
    # An installation that was interrupted has to end before another begins.
    [[ -z $(dpkg --audit) ]] || without_service_starts dpkg --configure -a
    printf '%s\n' "${missing[@]}" >>"$STATE_PATH/installed-packages"
    apt-get update -qq
    # Without recommends: libvirt's own default network would bring a bridge and rules of its own.
    without_service_starts apt-get install -y -q --no-install-recommends "${missing[@]}"
    # apt-get may end well when it was interrupted.
    mapfile -t missing < <(missing_packages)
    ((${#missing[@]} == 0)) || { echo "not installed: ${missing[*]}" && return 1; }
}

missing_packages() {
    local wanted=("${HOST_PACKAGES[@]}") name
    [[ $PROFILE != full ]] || wanted+=("${FULL_PACKAGES[@]}")
    for name in "${wanted[@]}"; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || echo "$name"
    done
}

# Packages must not start their services: what runs, and how, is stack.sh's matter.
POLICY=/usr/sbin/policy-rc.d
without_service_starts() {
    local status=0
    if [[ -e $POLICY ]] && ! grep -q '^# minova$' "$POLICY"; then
        "$@"
        return
    fi
    printf '#!/bin/sh\n# minova\nexit 101\n' >"$POLICY"
    chmod +x "$POLICY"
    "$@" || status=$?
    allow_service_starts
    return "$status"
}

allow_service_starts() { ! grep -qsx '# minova' "$POLICY" || rm -f "$POLICY"; }

# Services of the full profile run as a user who may be unable to enter this checkout (in
# /root, say), or to run the Python of its .venv. They then get a copy of both.
choose_venv() {
    [[ $PROFILE == full ]] || return 0
    if ! anyone_may -r "$TOP/minova/version.py" || { [[ -e $VENV ]] && ! anyone_may -x "$VENV/bin/python"; }; then
        SOURCE=$STATE_PATH/source
        VENV=$STATE_PATH/venv
    fi
}

anyone_may() { setpriv --reuid=65534 --regid=65534 --clear-groups test "$@" 2>/dev/null; }

make_venv() {
    local wanted stamp="$VENV/.minova-stamp"
    copy_source
    wanted=$(cat "$TOP/pyproject.toml" "$TOP/devstack/constraints.txt" | sha256sum)
    [[ ! -e $stamp || $(cat "$stamp") != "$wanted" ]] || return 0
    [[ -e $VENV ]] || touch "$STATE_PATH/made-venv"
    if [[ -e $STATE_PATH/made-venv ]] && ! "$VENV/bin/python" -m pip --version; then
        # None yet, or one whose making was interrupted. Nobody else's is ever made anew.
        /usr/bin/python3 -m venv --clear "$VENV"
    fi
    "$VENV/bin/python" -m pip install --disable-pip-version-check -q -c "$TOP/devstack/constraints.txt" \
        -e "${SOURCE}[host,full,clients]"
    printf '%s' "$wanted" >"$stamp"
}

copy_source() {
    [[ $SOURCE != "$TOP" ]] || return 0
    rm -rf "$SOURCE/minova"
    mkdir -p "$SOURCE"
    cp -r "$TOP/minova" "$TOP/pyproject.toml" "$TOP/README.md" "$SOURCE"
    # The commands that the documents name.
    [[ -e $TOP/.venv ]] || ln -s "$VENV" "$TOP/.venv"
}

make_guest_image() { "$TOP/tools/build-guest-image" --out "$STATE_PATH/guest"; }
