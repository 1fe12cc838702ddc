# shellcheck shell=bash disable=SC2034 # tests/run uses what is set here
# What the tests need on this machine: finds each program, installs the Debian package when it may (as root,
# or where sudo asks no password) and otherwise says in one line what to install. Sourced by tests/run.

say() { printf '%s\n' "$*" >&2; }
die() {
    say "tests/run: $*"
    exit 1
}

# The command prefix that makes us root, or failure where we may not be.
root_prefix() {
    if [ "$(id -u)" -eq 0 ]; then
        printf ''
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        printf 'sudo -n'
    else
        return 1
    fi
}

# Installs Debian packages. Another apt may hold the lock, on a machine that has just started: wait for it.
install_packages() {
    local as_root
    command -v apt-get >/dev/null && as_root=$(root_prefix) || return 1
    say "installing $* …"
    # shellcheck disable=SC2086 # the prefix is empty or two words
    $as_root apt-get -o DPkg::Lock::Timeout=300 -qq update >&2 || return 1
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "$@" >&2
}

# need COMMAND PACKAGE…: the command is there, or is installed now, or we stop with a clear line.
need() {
    local wanted=$1
    shift
    command -v "$wanted" >/dev/null && return
    install_packages "$@" && hash -r && command -v "$wanted" >/dev/null && return
    die "$wanted is missing. Install it (Debian: apt-get install $*) and run this again."
}

# The folder of PostgreSQL's programs, the newest version first; at least 15.
find_postgres() {
    local dir version
    for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -t/ -k5 -rn) \
        "$(pg_config --bindir 2>/dev/null || true)" "$(dirname "$(command -v postgres || true)")"; do
        if [ ! -x "$dir/initdb" ] || [ ! -x "$dir/pg_ctl" ] || [ ! -x "$dir/postgres" ]; then continue; fi
        version=$("$dir/postgres" --version | sed 's/^[^0-9]*\([0-9]*\).*/\1/')
        [ "$version" -ge 15 ] || continue
        printf '%s\n' "$dir"
        return
    done
    return 1
}

# find_program NAME: where it is; programs for administrators are not on everybody's PATH.
find_program() { command -v "$1" || PATH=/usr/sbin:/usr/local/sbin command -v "$1"; }

# Valkey speaks the same protocol and is what some distributions ship in its place.
find_redis() { command -v redis-server || command -v valkey-server; }

# What gives a program a clock of its own. The library is where its wrapper would look for it, on no path.
find_faketime() { find /usr/lib /usr/lib64 /usr/local/lib -name libfaketimeMT.so.1 -print -quit 2>/dev/null; }

# Chrome will do as well, where somebody has it.
find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

# need_found SETTING FIND WHAT PACKAGE: DOORCODE_TEST_SETTING says where WHAT is. It is left alone if it is set; otherwise
# the command FIND knows, if need be after PACKAGE is installed.
need_found() {
    local setting=DOORCODE_TEST_$1 find=$2 what=$3 package=$4 found
    # shellcheck disable=SC2086 # FIND may have arguments
    found=${!setting:-$($find || true)}
    # shellcheck disable=SC2086
    if [ -z "$found" ] && install_packages "$package"; then
        hash -r
        found=$($find || true)
    fi
    [ -n "$found" ] || die "$what is missing. Install it (Debian: apt-get install $package) and run this again."
    export "$setting=$found"
}

need_postgres() { need_found PG_BIN find_postgres "PostgreSQL 15 or newer" postgresql; }
need_pgbouncer() { need_found PGBOUNCER "find_program pgbouncer" PgBouncer pgbouncer; }
need_redis() { need_found REDIS_SERVER find_redis redis-server redis-server; }
need_faketime() { need_found FAKETIME find_faketime libfaketime libfaketime; }
need_chromium() { need_found CHROMIUM find_chromium Chromium chromium; }

# What stands in front of the server: the proxies that the files in config/ are for.
need_proxies() {
    need_found NGINX "find_program nginx" nginx nginx
    need_found CADDY "find_program caddy" Caddy caddy
    need_found HAPROXY "find_program haproxy" HAProxy haproxy
}

# need_python DIR PINS MODULE: a Python with the packages of the file PINS, among them MODULE. They are kept in DIR from
# run to run. Sets FOUND_PYTHON, and FOUND_PYTHONPATH where this machine cannot make virtual environments.
need_python() {
    local dir=$1 pins=$2 module=$3
    need python3 python3 python3-venv
    FOUND_PYTHON=$dir/bin/python FOUND_PYTHONPATH=
    if [ -f "$dir/packages/.complete" ]; then
        FOUND_PYTHON=$(command -v python3) FOUND_PYTHONPATH=$dir/packages
        return
    fi
    [ -f "$dir/.complete" ] && "$FOUND_PYTHON" -c "import $module" 2>/dev/null && return
    rm -rf "$dir"
    say "preparing the Python packages of $pins …"
    mkdir -p "$dir"
    if python3 -m venv "$dir" >"$dir.log" 2>&1 ||
        { install_packages python3-venv && python3 -m venv --clear "$dir" >"$dir.log" 2>&1; }; then
        if "$FOUND_PYTHON" -m pip install -q --require-hashes -r "$pins" >>"$dir.log" 2>&1; then
            touch "$dir/.complete"
            return
        fi
    elif python3 -m pip install -q --require-hashes --target "$dir/packages" -r "$pins" >>"$dir.log" 2>&1; then
        touch "$dir/packages/.complete"
        FOUND_PYTHON=$(command -v python3) FOUND_PYTHONPATH=$dir/packages
        return
    fi
    tail -n 20 "$dir.log" >&2
    die "the packages of $pins could not be installed. They need Python's venv or pip (Debian: apt-get install python3-venv) and the network."
}

# The client generator and Schemathesis, for the API documents.
need_python_tools() {
    local pins=$here/clients/python/requirements.txt
    need python3 python3 python3-venv
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "the suite in tests/clients needs Python 3.11 or newer. Install it and run this again."
    mkdir -p "$target"
    need_python "$target/test-python-tools-$(cksum <"$pins" | cut -d' ' -f1)" "$pins" schemathesis
    export DOORCODE_TEST_TOOLS_PYTHON=$FOUND_PYTHON DOORCODE_TEST_TOOLS_PYTHONPATH=$FOUND_PYTHONPATH
}

# The published Python client, for the stories that are told with it.
need_python_client() {
    local pins=$here/sdk/python/requirements.txt
    need python3 python3 python3-venv
    python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        die "the published Python client needs Python 3.11 or newer. Install it and run this again."
    mkdir -p "$target"
    need_python "$target/test-python-client-$(cksum <"$pins" | cut -d' ' -f1)" "$pins" supabase_auth
    export DOORCODE_TEST_PYTHON=$FOUND_PYTHON DOORCODE_TEST_PYTHONPATH=$FOUND_PYTHONPATH
}

need_node() {
    local major
    need node nodejs
    major=$(node -p 'process.versions.node.split(".")[0]')
    [ "$major" -ge 20 ] || die "Node.js $major is too old for the suites in tests/sdk, tests/clients and tests/browser. Install Node.js 20 or newer and run this again."
    need npm npm
}

need_cargo() {
    command -v cargo >/dev/null ||
        die "cargo is missing. Install Rust with rustup (https://rustup.rs) and run this again."
    # aws-lc-sys compiles C
    need cc build-essential
}
