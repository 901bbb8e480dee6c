#!/usr/bin/env bash
# Runs a list of Tempest's tests against the lab that runs here, or a cloud of its own.
#   tools/tempest/run.sh [--driver libvirt|fake] [--concurrency N] [--max-microversion V] [--out DIR] [LIST]
# Ends with the line `N passed, N failed, N skipped`, and with 1 if one failed. See README.md beside it.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
TOP=$(cd "$HERE/../.." && pwd)
VENV=$TOP/build/tempest/venv

die() { echo "${0##*/}: $*" >&2 && exit 2; }

[[ -x $TOP/.venv/bin/python ]] || die "minova's own venv is missing; run ./devstack/stack.sh or tools/run-tests.sh lint"

# Tempest's own venv: its libraries are not those of the cloud it judges. Kept between runs.
make_venv() {
    local wanted lock stamp=$VENV/.minova-stamp
    mkdir -p "$VENV"
    exec {lock}>"$VENV.lock"
    flock "$lock"
    wanted=$(sha256sum <"$HERE/requirements.txt")
    if [[ ! -e $stamp || $(cat "$stamp") != "$wanted" ]]; then
        python3 -m venv --clear "$VENV"
        "$VENV/bin/pip" install --disable-pip-version-check -q -r "$HERE/requirements.txt"
        printf '%s' "$wanted" >"$stamp"
    fi
    exec {lock}>&-
}

make_venv
exec "$TOP/.venv/bin/python" "$HERE/run.py" "$@"
