#!/usr/bin/env bash
# PgBouncer in transaction mode in front of a test's PostgreSQL, until it is ended:
#
#   pgbouncer.sh DIR PORT POSTGRES_PORT
#
# It listens on 127.0.0.1 only and trusts everybody there, as the server's login role. Three connections a database, so
# that clients meet each other's on them, and its defaults else: what it refuses there, it refuses for everybody.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=needs.sh
. "$here/needs.sh"
# shellcheck source=account.sh
. "$here/account.sh"

[ $# -eq 3 ] || {
    say "usage: pgbouncer.sh DIR PORT POSTGRES_PORT"
    exit 64
}
dir=$1 port=$2 postgres_port=$3
mkdir -p "$dir"
printf '"doorcode_login" "secret"\n' >"$dir/users.txt"
cat >"$dir/pgbouncer.ini" <<CONF
[databases]
* = host=127.0.0.1 port=$postgres_port
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = $port
unix_socket_dir =
auth_type = trust
auth_file = $dir/users.txt
pool_mode = transaction
default_pool_size = 3
max_client_conn = 2000
# Each test has a database of its own, and PostgreSQL has 200 places for all of them.
server_idle_timeout = 3
log_connections = 0
log_disconnections = 0
CONF
# From 1.21 on it can keep prepared statements, from 1.24 on it does unless it is told not to.
version=$("${DOORCODE_TEST_PGBOUNCER:?}" --version | sed -n 's/^PgBouncer //p')
if [ "$(printf '%s\n' 1.21 "$version" | sort -V | head -n 1)" = 1.21 ]; then
    echo "max_prepared_statements = ${DOORCODE_TEST_PGBOUNCER_STATEMENTS:-0}" >>"$dir/pgbouncer.ini"
fi
[ -z "$account" ] || chown -R "$account" "$dir"
as_account "$DOORCODE_TEST_PGBOUNCER" "$dir/pgbouncer.ini"
