#!/usr/bin/env bash
# A PostgreSQL cluster of one's own, made and thrown away by a test:
#
#   postgres.sh start DIR PORT             makes the cluster in DIR if there is none, and waits until it answers
#   postgres.sh follow DIR PORT PRIMARY    makes a streaming replica of the cluster on port PRIMARY, and starts it
#   postgres.sh certify DIR CERT KEY       lets the running cluster speak TLS with this certificate
#   postgres.sh stop DIR [-m immediate]    stops it; DIR stays, so that start continues with the same data
#   postgres.sh confine DIR PART MEGABYTES   gives a part of a stopped one's data (pg_wal, its log; base, its tables) a file
#                                          system of its own with so much room left
#   postgres.sh fill DIR | free DIR        takes all that is left of it, or gives it back
#   postgres.sh release DIR                takes that part of a stopped one back to where it was
#
# It listens on 127.0.0.1 only and trusts everybody there; the superuser is `postgres`. PostgreSQL refuses to run
# as root, so root runs it as `postgres` or `nobody` and gives DIR to that account.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=needs.sh
. "$here/needs.sh"
# shellcheck source=account.sh
. "$here/account.sh"

usage() {
    say "usage: postgres.sh start DIR PORT | follow DIR PORT PRIMARY | certify DIR CERT KEY | stop DIR [-m smart|fast|immediate]"
    say "       postgres.sh confine DIR PART MEGABYTES | fill DIR | free DIR | release DIR"
    exit 64
}

# Speed over safety: a cluster that is thrown away needs no disk behind it.
settings() {
    cat <<CONF
listen_addresses = '127.0.0.1'
max_connections = 200
shared_buffers = 64MB
fsync = off # yet on commit the log reaches the kernel: a killed server loses nothing
full_page_writes = off
autovacuum = off
logging_collector = off
log_min_messages = warning
max_wal_size = 2GB
CONF
    # The path of a Unix socket may have 107 bytes, and its file name takes up to 20 of them.
    if [ "${#1}" -le 80 ]; then
        printf "unix_socket_directories = '%s'\n" "$1"
    else
        printf "unix_socket_directories = ''\n"
    fi
}

# A temporary folder is closed to other accounts: lets them through to one inside it, never above TMPDIR.
open_way() {
    local parent tmp
    parent=$(dirname "$1")
    tmp=$(cd "${TMPDIR:-/tmp}" && pwd -P)
    while [[ $parent == "$tmp"/* ]]; do
        chmod a+x "$parent"
        parent=$(dirname "$parent")
    done
}

start() {
    local dir=$1 port=$2
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    if [ -n "$account" ]; then
        chown "$account" "$dir"
        open_way "$dir"
        as_account test -w "$dir" ||
            die "the account $account cannot reach $dir: every folder above it must be open to it (chmod a+x)."
    fi
    if [ ! -f "$dir/data/PG_VERSION" ]; then
        as_account rm -rf "$dir/data"
        as_account "$bin/initdb" -D "$dir/data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync \
            >"$dir/initdb.out" 2>&1 || { tail -n 20 "$dir/initdb.out" >&2; die "initdb failed in $dir."; }
        settings "$dir" | as_account tee -a "$dir/data/postgresql.conf" >/dev/null
    fi
    # Whoever ends the run stops what tests have left behind.
    [ -z "${DOORCODE_TEST_RUN_DIR:-}" ] || printf '%s\n' "$dir" >>"$DOORCODE_TEST_RUN_DIR/clusters"
    as_account "$bin/pg_ctl" start -w -s -t 60 -D "$dir/data" -l "$dir/postgres.log" -o "-p $port" </dev/null ||
        { tail -n 20 "$dir/postgres.log" >&2 || true; die "PostgreSQL did not start in $dir on port $port."; }
}

follow() {
    local dir=$1 port=$2 primary=$3
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd -P)
    if [ -n "$account" ]; then
        chown "$account" "$dir"
        open_way "$dir"
    fi
    as_account "$bin/pg_basebackup" -D "$dir/data" -h 127.0.0.1 -p "$primary" -U postgres -R -X stream -c fast --no-sync
    settings "$dir" | as_account tee -a "$dir/data/postgresql.conf" >/dev/null
    start "$dir" "$port"
}

certify() {
    local dir=$1 cert=$2 key=$3
    dir=$(cd "$dir" && pwd -P)
    # The account may not read where they are.
    as_account tee "$dir/data/server.crt" <"$cert" >/dev/null
    (umask 077 && as_account tee "$dir/data/server.key" <"$key" >/dev/null)
    printf 'ssl = on\n' | as_account tee -a "$dir/data/postgresql.conf" >/dev/null
    as_account "$bin/pg_ctl" restart -w -s -t 60 -D "$dir/data" -l "$dir/postgres.log" </dev/null
}

stop() {
    local dir=$1 mode=$2
    [ -f "$dir/data/postmaster.pid" ] || return 0
    dir=$(cd "$dir" && pwd -P)
    as_account "$bin/pg_ctl" status -D "$dir/data" >/dev/null || return 0
    as_account "$bin/pg_ctl" stop -w -s -t 60 -m "$mode" -D "$dir/data"
}

# The file system is in a mount namespace of its own, which lasts as long as its keeper, and that as long as DIR: nobody else
# sees it, and nothing of it is left behind. Only the keeper may mount: an ordinary user is nobody special to those who follow.
confine() {
    local dir=$1 part=$2 room keeper how=()
    dir=$(cd "$dir" && pwd -P)
    room=$(($(du -sm "$dir/data/$part" | cut -f1) + $3))
    [ "$(id -u)" -eq 0 ] || how=(--user --map-current-user --keep-caps)
    as_account mkdir -p "$dir/room"
    # shellcheck disable=SC2016 # the inner shell expands it
    unshare "${how[@]}" --mount --propagation private sh -ec '
        cd /
        mount -t tmpfs -o "size=$3m" room "$1/room"
        chown --reference="$1/data/$2" "$1/room"
        chmod 700 "$1/room"
        cp -a "$1/data/$2/." "$1/room/"
        mount --bind "$1/room" "$1/data/$2"
        echo $$ >"$1/room.pid"
        while [ -d "$1" ] && [ ! -e "$1/room.over" ]; do sleep 0.2; done
        [ -d "$1" ] || exit 0
        umount "$1/data/$2"
        rm -rf "$1/room/ballast" "$1/data/$2"/*
        cp -a "$1/room/." "$1/data/$2/"
        rm "$1/room.pid" "$1/room.over"' keeper "$dir" "$part" "$room" </dev/null >"$dir/room.log" 2>&1 &
    keeper=$!
    until [ -s "$dir/room.pid" ]; do
        kill -0 "$keeper" 2>/dev/null || {
            cat "$dir/room.log" >&2
            die "a file system of a test's own needs a mount namespace: run this as root (CAP_SYS_ADMIN), or where ordinary users may make user namespaces (sysctl kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns)."
        }
        sleep 0.05
    done
}

release() {
    local dir=$1
    touch "$dir/room.over"
    for _ in {1..300}; do
        [ -e "$dir/room.pid" ] || return 0
        sleep 0.1
    done
    cat "$dir/room.log" >&2
    die "what was taken from the cluster in $dir did not come back."
}

# within DIR COMMAND…: where the cluster sees its files.
within() {
    local keeper how=()
    keeper=$(cat "$1/room.pid")
    shift
    [ "$(id -u)" -eq 0 ] || how=(--user --preserve-credentials)
    nsenter --target "$keeper" "${how[@]}" --mount "$@"
}

[ $# -ge 2 ] || usage
# What is confined is started, stopped and filled from inside.
if [ -f "$2/room.pid" ] && [ "$1" != release ] && [ -z "${DOORCODE_TEST_CONFINED:-}" ]; then
    within "$2" env DOORCODE_TEST_CONFINED=yes "$here/postgres.sh" "$@"
    exit
fi
bin=${DOORCODE_TEST_PG_BIN:-$(find_postgres || true)}
[ -n "$bin" ] || die "PostgreSQL 15 or newer is missing. Install it (Debian: apt-get install postgresql)."
case $1 in
start)
    [ $# -eq 3 ] || usage
    start "$2" "$3"
    ;;
follow)
    [ $# -eq 4 ] || usage
    follow "$2" "$3" "$4"
    ;;
certify)
    [ $# -eq 4 ] || usage
    certify "$2" "$(realpath "$3")" "$(realpath "$4")"
    ;;
stop)
    mode=fast
    if [ $# -eq 4 ] && [ "$3" = -m ]; then mode=$4; elif [ $# -ne 2 ]; then usage; fi
    stop "$2" "$mode"
    ;;
confine)
    [ $# -eq 4 ] || usage
    confine "$2" "$3" "$4"
    ;;
fill)
    # Until there is no room left, which is no failure here.
    # shellcheck disable=SC2016
    as_account sh -c 'cat /dev/zero >"$1"' fill "$2/room/ballast" 2>/dev/null || true
    ;;
free) as_account rm -f "$2/room/ballast" ;;
release) release "$2" ;;
*) usage ;;
esac
