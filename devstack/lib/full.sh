# shellcheck shell=bash
# What the full profile has besides: RabbitMQ and MariaDB from Debian.

# Another broker's, from the shell that started us: ours would come up on its port, under its name.
unset "${!RABBITMQ_@}"

secret() { "$VENV/bin/python" -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$CONFIG_PATH/secrets.json" "$1"; }

start_broker_and_database() {
    if has_systemd; then
        systemctl enable --now -q rabbitmq-server.service mariadb.service
    else
        [[ -e /run/mysqld ]] || touch "$STATE_PATH/made-mysqld-folder"
        install -d -o mysql -g mysql /run/mysqld
        runs_here epmd || touch "$STATE_PATH/made-epmd"
        start_supervisord
        mariadb -e 'SELECT 1' >/dev/null 2>&1 || supervisorctl start mariadb
        rabbitmqctl -q status >/dev/null 2>&1 || supervisorctl start rabbitmq
    fi
    wait_for "MariaDB answers" 60 mariadb -e 'SELECT 1'
    wait_for "RabbitMQ answers" 90 rabbitmqctl -q await_startup
    make_databases
    make_broker_user
}

make_databases() {
    local name
    for name in nova identity image network volume; do
        mariadb <<SQL
CREATE DATABASE IF NOT EXISTS minova_$name CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
CREATE USER IF NOT EXISTS '$name'@'127.0.0.1';
CREATE USER IF NOT EXISTS '$name'@'localhost';
SET PASSWORD FOR '$name'@'127.0.0.1' = PASSWORD('$(secret "db_$name")');
SET PASSWORD FOR '$name'@'localhost' = PASSWORD('$(secret "db_$name")');
GRANT ALL ON minova_$name.* TO '$name'@'127.0.0.1';
GRANT ALL ON minova_$name.* TO '$name'@'localhost';
SQL
    done
}

make_broker_user() {
    rabbitmqctl -q list_vhosts | grep -x minova >/dev/null || rabbitmqctl -q add_vhost minova
    if rabbitmqctl -q list_users | grep '^minova\b' >/dev/null; then
        rabbitmqctl -q change_password minova "$(secret rabbit)"
    else
        rabbitmqctl -q add_user minova "$(secret rabbit)"
    fi
    rabbitmqctl -q set_permissions -p minova minova '.*' '.*' '.*'
}

remove_broker_and_database_contents() {
    local name failed=0
    if command -v mariadb >/dev/null && mariadb -e 'SELECT 1' >/dev/null 2>&1; then
        for name in nova identity image network volume; do
            mariadb -e "DROP DATABASE IF EXISTS minova_$name; DROP USER IF EXISTS '$name'@'127.0.0.1', '$name'@'localhost'" || failed=1
        done
    fi
    if command -v rabbitmqctl >/dev/null && rabbitmqctl -q status >/dev/null 2>&1; then
        rabbitmqctl -q list_vhosts | grep -x minova >/dev/null && rabbitmqctl -q delete_vhost minova
        rabbitmqctl -q list_users | grep '^minova\b' >/dev/null && rabbitmqctl -q delete_user minova
    fi
    return "$failed"
}
