#!/usr/bin/env bash
# Every test, on a machine that may have nothing yet.
#   tools/run-tests.sh [unit|contract|functional|integration|lint]…
# Installs what the tests need, runs them beside a RabbitMQ, a MariaDB and a
# PostgreSQL of their own, and ends with pytest's own line.
set -euo pipefail
cd "$(dirname "$0")/.."
TOP=$PWD
VENV=$TOP/.venv
SUITES=("$@")
((${#SUITES[@]})) || SUITES=(lint unit contract functional integration)

wants() { [[ " ${SUITES[*]} " == *" $1 "* ]]; }
needs_servers() { wants contract || wants functional || wants integration; }
say() { printf '\n--- %s\n' "$*"; }

source "$TOP/devstack/settings"
STATE_PATH=$TOP/build
source "$TOP/devstack/lib/packages.sh"

install_everything() {
    [[ $(id -u) == 0 ]] || return 0
    mkdir -p "$STATE_PATH"
    HOST_PACKAGES+=(libnbd-bin iputils-ping iputils-arping netcat-openbsd tcpdump busybox-static)
    ! wants integration || HOST_PACKAGES+=(chromium)
    if needs_servers; then
        PROFILE=full
        FULL_PACKAGES+=(postgresql)
    fi
    install_packages
}

make_test_venv() {
    [[ -x $VENV/bin/python ]] || python3 -m venv "$VENV"
    local wanted stamp="$VENV/.minova-test-stamp"
    wanted=$(cat pyproject.toml devstack/constraints.txt | sha256sum)
    [[ ! -e $stamp || $(cat "$stamp") != "$wanted" ]] || return 0
    "$VENV/bin/pip" install --disable-pip-version-check -q -c devstack/constraints.txt \
        -e "$TOP[host,full,clients,otlp,test]"
    printf '%s' "$wanted" >"$stamp"
}

say "installing what the tests need"
install_everything
make_test_venv
if wants lint; then
    say "ruff, mypy, layers"
    "$VENV/bin/ruff" check .
    "$VENV/bin/ruff" format --check .
    "$VENV/bin/mypy"
    "$VENV/bin/python" tools/check_layers.py
fi
if wants integration; then
    say "test guest"
    tools/build-guest-image --out "$TOP/build/guest"
fi
folders=()
for suite in unit contract functional integration; do
    ! wants "$suite" || folders+=("tests/$suite")
done
((${#folders[@]})) || exit 0
say "pytest ${folders[*]}"
if needs_servers && [[ $(id -u) == 0 ]]; then
    tools/with-servers.sh "$VENV/bin/pytest" "${folders[@]}"
else
    "$VENV/bin/pytest" "${folders[@]}"
fi
