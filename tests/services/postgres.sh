#!/usr/bin/env bash
# A PostgreSQL cluster of one's own, made and thrown away by a test:
#
#   postgres.sh start DIR PORT             makes the cluster in DIR if there is none, and waits until it answers
#   postgres.sh certify DIR CERT KEY       lets the running cluster speak TLS with this certificate
#   postgres.sh stop DIR [-m immediate]    stops it; DIR stays, so that start continues with the same data
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
    say "usage: postgres.sh start DIR PORT | certify DIR CERT KEY | stop DIR [-m smart|fast|immediate]"
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

[ $# -ge 2 ] || usage
bin=${DOORCODE_TEST_PG_BIN:-$(find_postgres || true)}
[ -n "$bin" ] || die "PostgreSQL 15 or newer is missing. Install it (Debian: apt-get install postgresql)."
case $1 in
start)
    [ $# -eq 3 ] || usage
    start "$2" "$3"
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
*) usage ;;
esac
