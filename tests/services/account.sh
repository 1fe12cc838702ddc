# shellcheck shell=bash
# The account that programs run as which refuse to be root: `postgres` or `nobody` where we are root, else our own.
# Sourced after needs.sh.

account=
if [ "$(id -u)" -eq 0 ]; then
    for name in postgres nobody; do
        id "$name" >/dev/null 2>&1 && account=$name && break
    done
    [ -n "$account" ] || die "PostgreSQL and PgBouncer do not run as root, and there is no account postgres or nobody to run them as."
fi

# Runs a program as an account that it accepts, from a folder which that account may enter.
as_account() {
    cd /
    if [ -z "$account" ]; then
        "$@"
    elif command -v setpriv >/dev/null; then
        setpriv --reuid "$account" --regid "$(id -g "$account")" --clear-groups --inh-caps=-all \
            env -u XDG_RUNTIME_DIR HOME=/ "$@"
    else
        runuser -u "$account" -- "$@"
    fi
}
