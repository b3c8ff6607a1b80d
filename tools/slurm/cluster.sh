#!/usr/bin/env bash
# A SLURM cluster on this machine, for tests: cluster.sh up | down | status. There is one per machine; all it makes
# stands in one folder and is gone after `down`, which also runs when `up` fails half way. With ACCOUNTING=1 in the
# environment it keeps accounts of its jobs (slurmdbd on a MariaDB of its own), which sacct answers from.
# Exit codes: 0 done, 1 failed, 77 not possible here (needs root, or packages that this system does not have).
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=/run/ztfpipe-slurm
LOCK=/run/ztfpipe-slurm.lock
CONF_LINK=/etc/slurm/slurm.conf
NODES=4 CPUS=4 MEMORY_MB=8000 PORT=17100
ACCOUNTING=${ACCOUNTING:-0}
EXIT_NOT_HERE=77

say() { echo "slurm: $*" >&2; }

need_root() {
    [ "$(id -u)" = 0 ] && return
    say "the test cluster needs root to install packages and to run jobs as SLURM does: sudo make $1"
    exit $EXIT_NOT_HERE
}

one_at_a_time() {
    exec 9>"$LOCK"
    flock -w 120 9 || { say "another start or stop of the test cluster does not end ($LOCK)"; exit 1; }
}

install_packages() {
    local programs=(slurmctld slurmd munged) packages=(slurm-wlm munge)
    if [ "$ACCOUNTING" = 1 ]; then
        programs+=(slurmdbd mariadbd)
        packages+=(slurmdbd slurm-wlm-mysql-plugin mariadb-server)
    fi
    command -v "${programs[@]}" >/dev/null && [ "$(command -v "${programs[@]}" | wc -l)" = "${#programs[@]}" ] && return
    if ! command -v apt-get >/dev/null; then
        say "${programs[*]} are not all installed, and this is not Debian: install them first"
        exit $EXIT_NOT_HERE
    fi
    say "installing the Debian packages ${packages[*]}"
    local install=(apt-get install -qq -y --no-install-recommends "${packages[@]}")
    # RUNLEVEL=1 keeps the packages' own services from starting.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    "${install[@]}" >/dev/null 2>&1 || { apt-get update -qq && "${install[@]}" >/dev/null; }
}

# Whether the process of a pid file still is the program that wrote it: numbers are used again.
runs() {
    local pid
    pid=$(cat "$1" 2>/dev/null) && [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = "$2" ]
}

write_conf() {
    local host lines="" i
    host=$(hostname -s)
    for i in $(seq "$NODES"); do
        lines+="NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1 Port=$((PORT + i)) CPUs=$CPUS RealMemory=$MEMORY_MB\n"
    done
    lines+="NodeName=large NodeHostname=$host NodeAddr=127.0.0.1 Port=$((PORT + 99)) CPUs=$CPUS RealMemory=$((4 * MEMORY_MB))"
    local accounts="AccountingStorageType=accounting_storage/none"
    if [ "$ACCOUNTING" = 1 ]; then
        accounts="AccountingStorageType=accounting_storage/slurmdbd\nAccountingStorageHost=localhost"
        accounts+="\nAccountingStoragePort=$((PORT + 50))\nAccountingStoragePass=$ROOT/munge/socket"
    fi
    sed -e "s|@HOST@|$host|g; s|@ROOT@|$ROOT|g; s|@PORT@|$PORT|g; s|@COUNT@|$NODES|g; s|@NODES@|$lines|" \
        -e "s|@ACCOUNTS@|$accounts|" "$HERE/slurm.conf.in" >"$ROOT/slurm.conf"
}

# The database of jobs: a MariaDB that listens to this machine only, and SLURM's daemon before it.
start_accounting() {
    local socket=$ROOT/run/mariadb.socket _
    local sql=(mariadb --no-defaults --user=root --socket="$socket")
    mariadb-install-db --no-defaults --datadir="$ROOT/accounts" --user=root --skip-test-db \
        --auth-root-authentication-method=normal >"$ROOT/log/mariadb-install.log" 2>&1
    mariadbd --no-defaults --user=root --datadir="$ROOT/accounts" --socket="$socket" --port=$((PORT + 51)) \
        --bind-address=127.0.0.1 --innodb-buffer-pool-size=64M --innodb-lock-wait-timeout=900 \
        --pid-file="$ROOT/run/mariadbd.pid" >"$ROOT/log/mariadb.log" 2>&1 </dev/null 9>&- &
    for _ in $(seq 100); do "${sql[@]}" -e 'select 1' >/dev/null 2>&1 && break; sleep 0.2; done
    local password
    password=$(head -c 18 /dev/urandom | base64)
    "${sql[@]}" -e "create database accounts; create user slurm@'127.0.0.1' identified by '$password';
        create user slurm@localhost identified by '$password';
        grant all on accounts.* to slurm@'127.0.0.1'; grant all on accounts.* to slurm@localhost"
    (umask 077 && sed -e "s|@ROOT@|$ROOT|g; s|@PORT@|$((PORT + 50))|; s|@STORAGE@|$((PORT + 51))|" \
        -e "s|@PASSWORD@|$password|" "$HERE/slurmdbd.conf.in" >"$ROOT/slurmdbd.conf")
    SLURM_CONF=$ROOT/slurm.conf slurmdbd 9>&-
    for _ in $(seq 100); do sacctmgr --noheader list cluster >/dev/null 2>&1 && break; sleep 0.2; done
    sacctmgr --immediate --quiet add cluster ztfpipe >/dev/null
}

# Jobs started by Snakemake ask for the configuration at its compiled-in place, whatever SLURM_CONF says.
link_conf() {
    if [ -e "$CONF_LINK" ] && [ ! -L "$CONF_LINK" ]; then
        say "$CONF_LINK belongs to a real cluster, and this machine can have only one"
        exit $EXIT_NOT_HERE
    fi
    [ -d "${CONF_LINK%/*}" ] || { mkdir -p "${CONF_LINK%/*}" && touch "$ROOT/made-etc"; }
    ln -sfn "$ROOT/slurm.conf" "$CONF_LINK"
}

start_daemons() {
    (umask 077 && head -c 128 /dev/urandom >"$ROOT/munge/key")
    munged --key-file="$ROOT/munge/key" --socket="$ROOT/munge/socket" --pid-file="$ROOT/run/munged.pid" \
        --seed-file="$ROOT/munge/seed" --log-file="$ROOT/log/munged.log" --num-threads=2 9>&-
    if [ "$ACCOUNTING" = 1 ]; then start_accounting; fi
    slurmctld -c -f "$ROOT/slurm.conf" 9>&-
    local node
    for node in $(node_names); do
        mkdir "$ROOT/spool/$node"
        slurmd -f "$ROOT/slurm.conf" -N "$node" 9>&-
    done
}

node_names() { seq -f 'n%g' "$NODES"; echo large; }

wait_for_nodes() {
    local _
    for _ in $(seq 120); do
        [ "$(sinfo -h -N -o %T 2>/dev/null | sort -u)" = idle ] && return
        sleep 0.25
    done
    say "not all nodes came up in 30 s; the last words of the logs:"
    tail -q -n 5 "$ROOT"/log/*.log >&2
    return 1
}

up() {
    if [ -d "$ROOT" ] && runs "$ROOT/run/slurmctld.pid" slurmctld; then
        if [ "$(cat "$ROOT/owner")" = "$HERE" ] && [ "$(cat "$ROOT/accounting")" = "$ACCOUNTING" ]; then
            say "already up"
            return
        elif [ "$(cat "$ROOT/owner")" = "$HERE" ]; then
            say "already up, and not with ACCOUNTING=$ACCOUNTING: make slurm-down first"
            exit 1
        fi
        say "the test cluster of this machine was started by $(cat "$ROOT/owner"): stop it there first (make slurm-down)"
        exit 1
    fi
    clean # what a killed run left
    install_packages
    trap 'clean' EXIT
    mkdir -m 755 "$ROOT"
    mkdir -m 755 "$ROOT"/{munge,run,log,state,spool}
    echo "$HERE" >"$ROOT/owner"
    echo "$ACCOUNTING" >"$ROOT/accounting"
    write_conf
    link_conf
    start_daemons
    wait_for_nodes
    trap - EXIT
    say "up: $(sinfo -h -o '%P %D' | tr '\n' ';')"
}

# End processes together: ask, wait ten seconds, then force.
stop_processes() {
    local pid _
    for pid in "$@"; do kill "$pid" 2>/dev/null || true; done
    for _ in $(seq 100); do
        kill -0 "$@" 2>/dev/null || break
        sleep 0.1
    done
    for pid in "$@"; do kill -KILL "$pid" 2>/dev/null || true; done
}

cancel_jobs() {
    runs "$ROOT/run/slurmctld.pid" slurmctld || return 0
    local _ state
    for state in PENDING RUNNING SUSPENDED; do timeout 10 scancel --state=$state 2>/dev/null || true; done
    for _ in $(seq 60); do
        [ -z "$(timeout 10 squeue -h -t R,CG 2>/dev/null)" ] && return
        sleep 0.25
    done
}

# Stop and remove whatever there is of the cluster; safe to call at any time.
clean() {
    local daemon file pid pids
    cancel_jobs
    for daemon in slurmd slurmctld slurmdbd mariadbd munged; do
        pids=()
        for file in "$ROOT/run/$daemon".*pid; do
            runs "$file" "$daemon" || continue
            pid=$(cat "$file")
            pids+=("$pid")
        done
        # This machine has no other cluster (link_conf sees to it), so every step left over is one of ours.
        if [ "${#pids[@]}" != 0 ] && [ "$daemon" = slurmd ]; then
            mapfile -t -O "${#pids[@]}" pids < <(pgrep -x slurmstepd || true)
        fi
        [ "${#pids[@]}" = 0 ] || stop_processes "${pids[@]}"
    done
    # A configuration without its controller costs every start of Snakemake ten seconds.
    if [ "$(readlink "$CONF_LINK" 2>/dev/null)" = "$ROOT/slurm.conf" ]; then
        rm -f "$CONF_LINK"
        if [ -e "$ROOT/made-etc" ]; then rmdir "${CONF_LINK%/*}" 2>/dev/null || true; fi
    fi
    rm -rf "$ROOT"
}

case "${1:-}" in
up)
    need_root slurm-up
    one_at_a_time
    up
    ;;
down)
    need_root slurm-down
    one_at_a_time
    clean
    rm -f "$LOCK"
    say "down"
    ;;
status)
    sinfo
    squeue
    ;;
*)
    echo "usage: $0 up|down|status" >&2
    exit 2
    ;;
esac
