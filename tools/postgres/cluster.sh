#!/usr/bin/env bash
# A PostgreSQL on this machine, for tests: cluster.sh up | down | url [FOLDER]. All it has stands in one folder, it
# listens to a Unix socket in there only, runs as an ordinary user, and is gone after `down`.
# Exit codes: 0 done, 1 failed, 77 not possible here (packages that this system does not have and root might install).
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
FOLDER=${2:-/tmp/ztfpipe-postgres-$(id -u)-$(cksum <<<"$HERE" | cut -d' ' -f1)}
EXIT_NOT_HERE=77
OWNER=postgres # who owns the cluster when root starts it: PostgreSQL refuses to be root

say() { echo "postgres: $*" >&2; }

programs() { find /usr/lib/postgresql -mindepth 3 -maxdepth 3 -path '*/bin/initdb' 2>/dev/null | sort -V | tail -1; }

install_packages() {
    [ -n "$(programs)" ] && return
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        say "PostgreSQL is not installed: apt-get install postgresql (root, Debian), then again"
        exit $EXIT_NOT_HERE
    fi
    say "installing the Debian package postgresql"
    local install=(apt-get install -qq -y --no-install-recommends postgresql)
    # RUNLEVEL=1 keeps the package's own service from starting.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    "${install[@]}" >/dev/null 2>&1 || { apt-get update -qq && "${install[@]}" >/dev/null; }
}

# Run a program of PostgreSQL as the owner of the cluster.
pg() {
    local program
    program=$(dirname "$(programs)")/$1
    shift
    if [ "$(id -u)" = 0 ]; then
        (cd / && runuser -u "$OWNER" -- "$program" "$@")
    else
        (cd / && "$program" "$@")
    fi
}

url() { echo "postgresql://ztfpipe@/ztfpipe?host=$FOLDER"; }

up() {
    install_packages
    if [ -e "$FOLDER/data/postmaster.pid" ] && pg pg_ctl -D "$FOLDER/data" status >/dev/null 2>&1; then
        say "already up"
        return
    fi
    rm -rf "$FOLDER" # what a killed run left
    mkdir -m 700 "$FOLDER"
    [ "$(id -u)" != 0 ] || chown "$OWNER" "$FOLDER"
    trap 'clean' EXIT
    pg initdb -D "$FOLDER/data" -U ztfpipe -A trust -E UTF8 --no-locale --no-sync >/dev/null
    # Tests kill clients, not machines: nothing is gained by waiting for the disk.
    pg pg_ctl -D "$FOLDER/data" -l "$FOLDER/log" -w -t 60 -o "-k $FOLDER -c listen_addresses= -c fsync=off \
        -c unix_socket_permissions=0700 -c shared_buffers=16MB -c max_connections=20" start >/dev/null || {
        tail -n 5 "$FOLDER/log" >&2
        exit 1
    }
    pg createdb -h "$FOLDER" -U ztfpipe ztfpipe
    trap - EXIT
    say "up: $(url)"
}

clean() {
    if [ -e "$FOLDER/data/postmaster.pid" ]; then pg pg_ctl -D "$FOLDER/data" -m immediate -w stop >/dev/null 2>&1 || true; fi
    rm -rf "$FOLDER"
}

case "${1:-}" in
up) up ;;
down)
    clean
    say "down"
    ;;
url) url ;;
*)
    echo "usage: $0 up|down|url [FOLDER]" >&2
    exit 2
    ;;
esac
