#!/usr/bin/env bash
# Runs a command beside a RabbitMQ, a MariaDB and a PostgreSQL of its own, on
# free ports with throw-away data, as far as Debian's packages are installed.
#   tools/with-servers.sh COMMAND [ARGUMENT…]
# The command finds them in MINOVA_TEST_{RABBIT,MARIADB,POSTGRES}_URL.
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=$PWD/.venv
WORK=$(mktemp -d /var/tmp/minova-servers.XXXXXX)
chmod 755 "$WORK"

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
    (cd / && runuser -u postgres -- "$bin/initdb" -D "$folder/data" -A trust -E UTF8 --locale=C.UTF-8) >"$folder/install.log"
    (cd / && exec runuser -u postgres -- "$bin/postgres" -D "$folder/data" -p "$port" -k "$folder" \
        -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=300) >"$folder/log" 2>&1 &
    SERVERS+=($!)
    wait_for 60 "$bin/pg_isready" -h 127.0.0.1 -p "$port"
    export MINOVA_TEST_POSTGRES_URL="postgresql+psycopg://postgres@127.0.0.1:$port"
}

start_rabbitmq() {
    command -v rabbitmq-server >/dev/null || return 0
    local folder=$WORK/rabbitmq port
    mkdir -p "$folder" && chown rabbitmq: "$folder"
    port=$(free_port)
    export RABBITMQ_NODENAME=minova-test-$$@localhost RABBITMQ_NODE_PORT=$port
    export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_DIST_PORT
    RABBITMQ_DIST_PORT=$(free_port)
    export RABBITMQ_MNESIA_BASE=$folder/mnesia RABBITMQ_LOG_BASE=$folder/log HOME=$folder
    export RABBITMQ_CONFIG_FILE=$folder/none RABBITMQ_ENABLED_PLUGINS_FILE=$folder/plugins
    export RABBITMQ_PID_FILE=$folder/pid RABBITMQ_CONF_ENV_FILE=$folder/none
    (cd / && exec runuser -u rabbitmq -- /usr/lib/rabbitmq/bin/rabbitmq-server) >"$folder.log" 2>&1 &
    SERVERS+=($!)
    export HOME=/root
    wait_for 90 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
    # rabbitmqctl finds the node by its name, and its cookie here.
    export MINOVA_TEST_RABBIT_HOME=$folder
    export MINOVA_TEST_RABBIT_URL="rabbit://guest:guest@127.0.0.1:$port/"
}

SERVERS=()
stop_servers() {
    trap - EXIT
    local pid
    for pid in "${SERVERS[@]}"; do
        pkill -TERM -P "$pid" 2>/dev/null || true
        kill "$pid" 2>/dev/null || true
    done
    wait "${SERVERS[@]}" 2>/dev/null || true
    rm -rf "$WORK"
}


trap stop_servers EXIT
start_mariadb
start_postgresql
start_rabbitmq
status=0
"$@" || status=$?
exit "$status"
