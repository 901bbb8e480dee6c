# shellcheck shell=bash
# Stages: run one, show how long it takes, keep its output in the log.

STARTED=$SECONDS
if [[ -t 1 ]]; then
    BOLD=$'\e[1m' RED=$'\e[31m' GREEN=$'\e[32m' YELLOW=$'\e[33m' PLAIN=$'\e[0m' LINE=$'\r\e[K'
else
    BOLD='' RED='' GREEN='' YELLOW='' PLAIN='' LINE=''
fi

say() { printf '%s\n' "$*"; }
warn() { printf '%s\n' "${YELLOW}${BOLD}warning:${PLAIN} $*" >&2; }
die() {
    printf '%s\n' "${RED}${BOLD}error:${PLAIN} $*" >&2
    exit 1
}

now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }

# stage TITLE FUNCTION [ARGUMENT…]: run it with its output in the log.
stage() {
    local title=$1 log="$LOG_PATH/stack.log" begun pid status=0
    shift
    begun=$(now)
    printf '\n=== %s (%s)\n' "$title" "$(date -Is)" >>"$log"
    # `set -e` does not reach into a function whose status is tested; a subshell keeps it.
    (set -e; "$@") >>"$log" 2>&1 &
    pid=$!
    if [[ -n $LINE ]]; then
        while kill -0 "$pid" 2>/dev/null; do
            printf '%s  … %-44s %s' "$LINE" "$title" "$(since "$begun")"
            sleep 0.3
        done
    fi
    wait "$pid" || status=$?
    if ((status)); then
        printf '%s  %s✗%s %-44s %s\n' "$LINE" "$RED" "$PLAIN" "$title" "$(since "$begun")"
        tail -n 25 "$log" | sed 's/^/      /' >&2
        die "the stage '$title' failed; all of its output is in $log. Mend it and run stack.sh again: what is done is not done twice."
    fi
    printf '%s  %s✓%s %-44s %s\n' "$LINE" "$GREEN" "$PLAIN" "$title" "$(since "$begun")"
}

# stages TITLE FUNCTION TITLE FUNCTION …: run them at the same time.
stages() {
    local pids=() title function pid failed=0
    while (($#)); do
        title=$1 function=$2
        shift 2
        (LINE='' stage "$title" "$function") &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || failed=1
    done
    ((!failed)) || exit 1
}
