#!/usr/bin/env bash
# Every test, on a machine that may have nothing yet.
#   tools/run-tests.sh [unit|contract|functional|integration|lint]…
# Installs what the tests need, starts a RabbitMQ, a MariaDB and a PostgreSQL
# of its own (other ports, data in build/), and ends with pytest's own line.
set -euo pipefail
cd "$(dirname "$0")/.."
TOP=$PWD
VENV=$TOP/.venv
WORK=$TOP/build/test-servers
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

free_port() { "$VENV/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

wait_for() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || { "$@" || true; return 1; }
        sleep 0.3
    done
}

start_mariadb() {
    command -v mariadbd >/dev/null || return 0
    local folder=$WORK/mariadb port
    port=$(free_port)
    mkdir -p "$folder" && chown mysql: "$folder"
    mariadb-install-db --user=mysql --datadir="$folder/data" --auth-root-authentication-method=normal \
        --skip-test-db >"$folder/install.log"
    mariadbd --no-defaults --user=mysql --datadir="$folder/data" --port="$port" --bind-address=127.0.0.1 \
        --socket="$folder/sock" --pid-file="$folder/pid" --innodb-flush-log-at-trx-commit=2 \
        --character-set-server=utf8mb4 --max-connections=600 >"$folder/log" 2>&1 &
    SERVERS+=($!)
    wait_for 60 mariadb --no-defaults --socket="$folder/sock" -uroot -e 'SELECT 1'
    mariadb --no-defaults --socket="$folder/sock" -uroot -e \
        "CREATE USER 'test'@'127.0.0.1' IDENTIFIED BY 'test'; CREATE USER 'test'@'localhost' IDENTIFIED BY 'test'; GRANT ALL ON *.* TO 'test'@'127.0.0.1'; GRANT ALL ON *.* TO 'test'@'localhost'"
    export MINOVA_TEST_MARIADB_URL="mysql+pymysql://test:test@127.0.0.1:$port"
}

start_postgresql() {
    local bin folder=$WORK/postgresql port
    bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1)
    [[ -n $bin ]] || return 0
    port=$(free_port)
    mkdir -p "$folder" && chown postgres: "$folder"
    # A folder the user postgres may enter; the checkout's parents may be closed to it.
    PGDATA=$(mktemp -d /var/tmp/minova-pg.XXXXXX)
    chown postgres: "$PGDATA"
    (cd / && runuser -u postgres -- "$bin/initdb" -D "$PGDATA/data" -A trust -E UTF8 --locale=C.UTF-8) >"$folder/install.log"
    (cd / && exec runuser -u postgres -- "$bin/postgres" -D "$PGDATA/data" -p "$port" -k "$PGDATA" \
        -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=300) >"$folder/log" 2>&1 &
    SERVERS+=($!)
    wait_for 60 "$bin/pg_isready" -h 127.0.0.1 -p "$port"
    export MINOVA_TEST_POSTGRES_URL="postgresql+psycopg://postgres@127.0.0.1:$port"
}

start_rabbitmq() {
    command -v rabbitmq-server >/dev/null || return 0
    local folder port
    folder=$(mktemp -d /var/tmp/minova-rabbit.XXXXXX)
    RABBIT=$folder
    port=$(free_port)
    chown rabbitmq: "$folder"
    export RABBITMQ_NODENAME=minova-test-$$@localhost RABBITMQ_NODE_PORT=$port
    export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_DIST_PORT
    RABBITMQ_DIST_PORT=$(free_port)
    export RABBITMQ_MNESIA_BASE=$folder/mnesia RABBITMQ_LOG_BASE=$folder/log HOME=$folder
    export RABBITMQ_CONFIG_FILE=$folder/none RABBITMQ_ENABLED_PLUGINS_FILE=$folder/plugins
    export RABBITMQ_PID_FILE=$folder/pid RABBITMQ_CONF_ENV_FILE=$folder/none
    (cd / && exec runuser -u rabbitmq -- /usr/lib/rabbitmq/bin/rabbitmq-server) >"$WORK/rabbitmq.log" 2>&1 &
    SERVERS+=($!)
    HOME=/root
    wait_for 90 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
    export MINOVA_TEST_RABBIT_URL="rabbit://guest:guest@127.0.0.1:$port/"
}

SERVERS=() PGDATA='' RABBIT=''
stop_servers() {
    local pid
    for pid in "${SERVERS[@]}"; do
        pkill -TERM -P "$pid" 2>/dev/null || true
        kill "$pid" 2>/dev/null || true
    done
    wait "${SERVERS[@]}" 2>/dev/null || true
    rm -rf "$WORK" ${PGDATA:+"$PGDATA"} ${RABBIT:+"$RABBIT"}
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
if needs_servers && [[ $(id -u) == 0 ]]; then
    say "RabbitMQ, MariaDB, PostgreSQL"
    trap stop_servers EXIT
    rm -rf "$WORK" && mkdir -p "$WORK"
    start_mariadb
    start_postgresql
    start_rabbitmq
fi
say "pytest ${folders[*]}"
"$VENV/bin/pytest" "${folders[@]}"
