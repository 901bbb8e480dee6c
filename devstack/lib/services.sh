# shellcheck shell=bash
# Start and stop: systemd where it runs, supervisord where it does not.

PLAIN_PROGRAMS=(identity image network volume xray conductor scheduler api console)
HOST_PROGRAMS=(network-agent compute)

has_systemd() { [[ -d /run/systemd/system ]]; }
supervisorctl() { "$VENV/bin/supervisorctl" -c "$CONFIG_PATH/supervisord.conf" "$@"; }

units() {
    if [[ $PROFILE == embedded ]]; then
        echo minova.service
        return
    fi
    local name
    for name in "${PLAIN_PROGRAMS[@]}"; do echo "minova@$name.service"; done
    for name in "${HOST_PROGRAMS[@]}"; do echo "minova-host@$name.service"; done
}

# What runs on this host besides minova's own, and has to be afterwards as it was before.
HOST_UNITS=(
    libvirtd.service libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirt-guests.service
    virtlogd.service virtlogd.socket virtlogd-admin.socket virtlockd.socket virtlockd-admin.socket
    rabbitmq-server.service epmd.service epmd.socket mariadb.service
)

remember_services() {
    if ! has_systemd || [[ -e $STATE_PATH/units-before ]]; then return 0; fi
    local unit
    for unit in "${HOST_UNITS[@]}"; do
        printf '%s %s %s\n' "$unit" "$(systemctl is-active "$unit" 2>/dev/null)" \
            "$(systemctl is-enabled "$unit" 2>/dev/null)"
    done >"$STATE_PATH/units-before"
}

restore_services() {
    [[ -e $STATE_PATH/units-before ]] || return 0
    local unit active enabled stop=() disable=() enable=()
    while read -r unit active enabled; do
        # Somebody else's guests need it by now.
        [[ $unit == rabbit* || $unit == epmd* || $unit == maria* || -z $(domains_of_others) ]] || continue
        [[ $active == active ]] || stop+=("$unit")
        if [[ $enabled == enabled ]]; then
            enable+=("$unit")
        elif [[ $(systemctl is-enabled "$unit" 2>/dev/null) == enabled ]]; then
            disable+=("$unit")
        fi
    done <"$STATE_PATH/units-before"
    ((${#disable[@]} == 0)) || systemctl disable -q "${disable[@]}" 2>/dev/null
    # Units name others that are disabled with them.
    ((${#enable[@]} == 0)) || systemctl enable -q "${enable[@]}" 2>/dev/null
    # Sockets go first: they would start their services again.
    systemctl stop "${stop[@]/%.service/.socket}" 2>/dev/null || true
    systemctl stop "${stop[@]}" 2>/dev/null || true
    systemctl reset-failed "${stop[@]}" 2>/dev/null || true
}

make_user_and_folders() {
    if [[ $PROFILE == full ]] && ! getent passwd minova >/dev/null; then
        useradd --system --user-group --home-dir "$STATE_PATH" --no-create-home --shell /usr/sbin/nologin minova
        usermod -a -G kvm minova
        touch "$STATE_PATH/made-user"
    fi
    local owner=root folder
    [[ $PROFILE == embedded ]] || owner=minova
    install -d -m 0755 "$STATE_PATH" "$LOG_PATH" "$CONFIG_PATH"
    for folder in db identity images xray; do
        install -d -m 0750 -o "$owner" -g "$owner" "$STATE_PATH/$folder"
    done
    # QEMU's user reaches disks and exports below these.
    install -d -m 0751 -o "$owner" -g "$owner" "$STATE_PATH/volumes"
    install -d -m 0751 "$STATE_PATH/instances" "$STATE_PATH/network"
    [[ $PROFILE == embedded ]] || { chgrp minova "$LOG_PATH" && chmod 0775 "$LOG_PATH"; }
    install -d -m 0755 -o "$owner" -g "$owner" /run/minova
}

start_libvirt() {
    local before ran=0
    before=$(cat /etc/libvirt/qemu.conf)
    ! runs_here libvirtd || ran=1
    prepare_qemu_conf
    open_kvm_to_its_group
    if has_systemd; then
        systemctl daemon-reload
        systemctl enable --now -q libvirtd.service
    else
        write_supervisord_conf
        start_supervisord
        local name
        for name in virtlogd libvirtd; do
            runs_here "$name" || supervisorctl start "$name"
        done
    fi
    ((!ran)) || [[ $before == "$(cat /etc/libvirt/qemu.conf)" ]] || reread_libvirt
    wait_for "libvirt answers" 30 virsh -c qemu:///system version
}

# By name, and not in a container of this host.
runs_here() { pgrep -x --ns $$ --nslist net "$1" >/dev/null; }

# Guests do not notice: libvirtd finds them again.
reread_libvirt() {
    if has_systemd; then
        systemctl try-restart libvirtd.service
    else
        supervisorctl restart libvirtd
    fi
}

# What udev does elsewhere. Without it libvirt finds KVM as root, cannot open it as
# QEMU's user, and probes QEMU anew, for seconds, at every start of a domain.
open_kvm_to_its_group() {
    [[ -c /dev/kvm && $(stat -c %G /dev/kvm) != kvm ]] || return 0
    stat -c '%u:%g %a' /dev/kvm >"$STATE_PATH/kvm-device"
    chgrp kvm /dev/kvm
    chmod 0660 /dev/kvm
}

close_kvm_again() {
    [[ -e $STATE_PATH/kvm-device ]] || return 0
    local owner mode
    read -r owner mode <"$STATE_PATH/kvm-device"
    chown "$owner" /dev/kvm
    chmod "$mode" /dev/kvm
}

# In a container the cgroup tree is read-only, and libvirt has to be told.
prepare_qemu_conf() {
    local conf=/etc/libvirt/qemu.conf
    if ! mkdir /sys/fs/cgroup/minova-probe 2>/dev/null && ! mkdir /sys/fs/cgroup/cpu/minova-probe 2>/dev/null; then
        grep -q '^# minova: ' "$conf" ||
            printf '# minova: cgroups are read-only here\ncgroup_controllers = [ ]\n' >>"$conf"
    fi
    rmdir /sys/fs/cgroup/minova-probe /sys/fs/cgroup/cpu/minova-probe 2>/dev/null || true
}

# wait_for WHAT SECONDS COMMAND…: until the command succeeds.
wait_for() {
    local what=$1 deadline=$((SECONDS + $2))
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < deadline)) || { echo "waited in vain: $what" && "$@"; return 1; }
        sleep 0.2
    done
}

start_services() {
    if has_systemd; then
        local unit
        for unit in minova.service minova@.service minova-host@.service minova.target; do
            sed "s|@VENV@|$VENV|g; s|@STATE_PATH@|$STATE_PATH|g; s|@LOG_PATH@|$LOG_PATH|g" \
                "$TOP/etc/systemd/$unit" >"/etc/systemd/system/$unit"
        done
        systemctl daemon-reload
        mapfile -t wanted < <(units)
        [[ $PROFILE == embedded ]] || systemctl enable -q minova.target
        systemctl enable -q "${wanted[@]}"
        systemctl restart "${wanted[@]}"
    else
        supervisorctl restart minova:\* || supervisorctl start minova:\*
    fi
    local name port
    # A dozen programs start at once: on a busy machine of two cores that takes more than a minute.
    for name in IDENTITY IMAGE NETWORK VOLUME COMPUTE METADATA CONSOLE; do
        port=${name}_PORT
        wait_for "${name,,} answers on port ${!port}" 180 port_open "${!port}"
    done
}

port_open() { (exec 3<>"/dev/tcp/$LISTEN/$1") 2>/dev/null; }

stop_services() {
    if has_systemd; then
        mapfile -t known < <(systemctl list-unit-files --no-legend 'minova*' | awk '{ print $1 }' | grep -v '@\.service$' || true)
        mapfile -t running < <(systemctl list-units --all --no-legend --plain 'minova*' | awk '{ print $1 }' || true)
        ((${#known[@]} + ${#running[@]} == 0)) || systemctl disable --now -q "${known[@]}" "${running[@]}" 2>/dev/null || true
        rm -f /etc/systemd/system/minova.service /etc/systemd/system/minova{,-host}@.service /etc/systemd/system/minova.target
        systemctl daemon-reload
    elif [[ -S /run/minova-supervisor.sock ]]; then
        supervisorctl stop minova:\* >/dev/null || true
    fi
}

start_supervisord() {
    if supervisorctl pid >/dev/null 2>&1; then
        supervisorctl reread >/dev/null
        supervisorctl update
    else
        start_reaping "$VENV/bin/supervisord" -n -c "$CONFIG_PATH/supervisord.conf"
        wait_for "supervisord answers" 20 supervisorctl pid
    fi
}

# In the background, as the parent of every orphan below it: libvirt waits until a QEMU it
# ended is reaped, and not every PID 1 hurries.
start_reaping() {
    setsid "$VENV/bin/python" -c '
import ctypes, os, sys
PR_SET_CHILD_SUBREAPER = 36
ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])' "$@" </dev/null >>"$LOG_PATH/supervisord.out" 2>&1 &
    disown
}

write_supervisord_conf() {
    local names=() name
    if [[ $PROFILE == embedded ]]; then
        names=(minova-run)
    else
        for name in "${PLAIN_PROGRAMS[@]}" "${HOST_PROGRAMS[@]}"; do names+=("minova-$name"); done
    fi
    {
        cat <<CONF
[supervisord]
logfile = $LOG_PATH/supervisord.log
pidfile = /run/minova-supervisord.pid
minfds = 8192
[unix_http_server]
file = /run/minova-supervisor.sock
chmod = 0700
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl = unix:///run/minova-supervisor.sock
CONF
        program virtlogd "/usr/sbin/virtlogd" root
        program libvirtd "/usr/sbin/libvirtd" root
        if [[ $PROFILE == full ]]; then
            program mariadb "/usr/sbin/mariadbd --user=mysql" root
            # Not Debian's wrapper: its su gives a stop two seconds and leaves the broker behind.
            program rabbitmq /usr/lib/rabbitmq/bin/rabbitmq-server rabbitmq
            printf '%s\n' 'directory = /var/lib/rabbitmq' 'environment = HOME="/var/lib/rabbitmq"' \
                'stopasgroup = true' 'killasgroup = true'
        fi
        local listed
        listed=$(IFS=, && echo "${names[*]}")
        printf '[group:minova]\nprograms = %s\n' "$listed"
        if [[ $PROFILE == embedded ]]; then
            program minova-run "$VENV/bin/minova run" root
        else
            for name in "${PLAIN_PROGRAMS[@]}"; do program "minova-$name" "$VENV/bin/minova-$name" minova; done
            for name in "${HOST_PROGRAMS[@]}"; do program "minova-$name" "$VENV/bin/minova-$name" root; done
        fi
    } >"$CONFIG_PATH/supervisord.conf"
}

program() {
    cat <<CONF
[program:$1]
command = $2
user = $3
autostart = false
autorestart = true
startsecs = 1
startretries = 20
stopwaitsecs = 30
stdout_logfile = $LOG_PATH/$1.out
redirect_stderr = true
CONF
}
