# shellcheck shell=bash
# Debian packages and the Python environment.

HOST_PACKAGES=(
    qemu-system-x86 qemu-utils libvirt-daemon-system libvirt-daemon-driver-qemu libvirt-clients
    nftables dnsmasq-base iproute2 genisoimage openssh-client openssl
    python3-venv python3-dev gcc libvirt-dev pkg-config
    syslinux mtools dosfstools e2fsprogs fdisk cpio binutils xz-utils
)
FULL_PACKAGES=(rabbitmq-server mariadb-server)

install_packages() {
    local wanted=("${HOST_PACKAGES[@]}") missing=() name
    [[ $PROFILE == full ]] && wanted+=("${FULL_PACKAGES[@]}")
    for name in "${wanted[@]}"; do
        dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
    done
    ((${#missing[@]})) || return 0
    export DEBIAN_FRONTEND=noninteractive
    without_service_starts apt-get update -qq
    # Without recommends: libvirt's own default network would bring a bridge and rules of its own.
    without_service_starts apt-get install -y -q --no-install-recommends "${missing[@]}"
    printf '%s\n' "${missing[@]}" >>"$STATE_PATH/installed-packages"
}

# Where no systemd runs, packages must not try to start their services.
without_service_starts() {
    if [[ -d /run/systemd/system || -e /usr/sbin/policy-rc.d ]]; then
        "$@"
        return
    fi
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    local status=0
    "$@" || status=$?
    rm -f /usr/sbin/policy-rc.d
    return "$status"
}

make_venv() {
    local wanted stamp="$VENV/.minova-stamp"
    wanted=$(cat "$TOP/pyproject.toml" "$TOP/devstack/constraints.txt" | sha256sum)
    [[ ! -e $stamp || $(cat "$stamp") != "$wanted" ]] || return 0
    [[ -x $VENV/bin/python ]] || python3 -m venv "$VENV"
    "$VENV/bin/pip" install --disable-pip-version-check -q -c "$TOP/devstack/constraints.txt" \
        -e "$TOP[host,full,clients]"
    printf '%s' "$wanted" >"$stamp"
}

make_guest_image() { "$TOP/tools/build-guest-image" --out "$STATE_PATH/guest"; }
