# shellcheck shell=bash
# Stages: run one, show how long it takes, keep its output in the log.

# shellcheck disable=SC2034  # stack.sh tells the time in all
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

# hold_lock SCRIPT ARGUMENT…: run the script anew while holding the lock, so that no two
# change the host at once. What the script leaves running does not hold it.
hold_lock() {
    [[ -z ${MINOVA_LOCKED:-} && $(id -u) == 0 ]] || return 0
    local status=0
    MINOVA_LOCKED=1 flock --nonblock --close --conflict-exit-code 75 /run/lock/minova-stack.lock "$@" || status=$?
    ((status != 75)) || die "another stack.sh or unstack.sh is at work on this host; wait until it has ended"
    exit "$status"
}

# Stages run in the background, where Ctrl-C does not reach them.
interrupted() {
    trap - INT TERM
    end_below $$
    die "interrupted. Run stack.sh again: it goes on where it stopped."
}

# Ours only: a daemon that was started has a session of its own.
end_below() {
    local child
    for child in $(pgrep --session 0 -P "$1"); do
        [[ $child != "$BASHPID" ]] || continue
        end_below "$child"
        kill -TERM "$child" 2>/dev/null || true
    done
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
