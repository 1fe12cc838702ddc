#!/usr/bin/env python3
"""A Redis of a test's own, run as people run it, that the test may break:

    redis.py one DIR [OPTION…]        one server
    redis.py tls DIR CERT KEY CA      one server that speaks TLS only
    redis.py sentinel DIR             a master with two replicas, and three Sentinels that watch it
    redis.py cluster DIR              three masters with a replica each

It listens on 127.0.0.1. The user doorcode (password: secret) may do what config/redis.acl says, on keys that begin with
t-; `default` may do anything, for the test itself. Once all is up, DIR/url has the URL for the server, DIR/masters a port
a line, and DIR/PORT.pid the process of each server. It ends, and all with it, at the end of its standard input.
DOORCODE_TEST_REDIS_SERVER is the program: redis-server, or Valkey's.
"""

import os
import pathlib
import random
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
SERVER = os.environ.get("DOORCODE_TEST_REDIS_SERVER", "redis-server")
# A slot is looked for on another master after this; short, as tests wait for it.
NODE_TIMEOUT_MS = "1000"
PATIENCE_SECS = 60
children = []


def free_port():
    """A free port whose cluster bus, ten thousand above, is free too."""
    while True:
        port = random.randrange(12000, 30000)
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 10000))
                return port
            except OSError:
                continue


def call(port, *words):
    """One command; its answer as text, or an exception."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        command = b"*%d\r\n" % len(words)
        for word in words:
            word = str(word).encode()
            command += b"$%d\r\n%s\r\n" % (len(word), word)
        connection.sendall(command)
        with connection.makefile("rb") as answers:
            line = answers.readline().decode().rstrip()
            if line.startswith("-") or not line:
                raise OSError(line or "no answer")
            if line.startswith("$"):
                return answers.read(int(line[1:])).decode()
            return line[1:]


def until(what, condition):
    """Waits for a condition; a server that does not answer yet does not meet it."""
    end = time.monotonic() + PATIENCE_SECS
    while True:
        try:
            if condition():
                return
        except OSError:
            pass
        for port, child in children:
            if child.poll() is not None:
                sys.exit(f"the server on port {port} has ended: see its log")
        if time.monotonic() > end:
            sys.exit(f"still not so after {PATIENCE_SECS} s: {what}")
        time.sleep(0.05)


def launch(folder, port, *arguments):
    """A process of its own folder, whose output is its log."""
    place = folder / str(port)
    place.mkdir(parents=True)
    log = open(place / "redis.log", "wb")
    child = subprocess.Popen([SERVER, *arguments], cwd=place, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    (folder / f"{port}.pid").write_text(str(child.pid))
    children.append((port, child))


def start(folder, port, *options):
    """A server that keeps nothing on disk."""
    users = (HERE.parent.parent / "config" / "redis.acl").read_text().splitlines()
    ours = next(line for line in users if line.startswith("user doorcode "))
    acl = folder / f"{port}.acl"
    ours = ours.replace(">PASSWORD", ">secret").replace("~doorcode:*", "~t-*")
    acl.write_text(f"user default on nopass ~* &* +@all\n{ours}\n")
    common = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--aclfile", str(acl)]
    if "--port" not in options:
        common += ["--port", str(port)]
    launch(folder, port, *common, *options)
    if "--tls-port" not in options:
        until(f"the server on port {port} answers", lambda: call(port, "PING") == "PONG")


def one(folder, *options):
    port = free_port()
    start(folder, port, *options)
    return f"redis://doorcode:secret@127.0.0.1:{port}/0", [port]


def tls(folder, certificate, key, authority):
    port = free_port()
    options = ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
    options += ["--tls-cert-file", certificate, "--tls-key-file", key, "--tls-ca-cert-file", authority]
    start(folder, port, *options)
    until("it listens", lambda: socket.create_connection(("127.0.0.1", port), timeout=1).close() is None)
    return f"rediss://doorcode:secret@localhost:{port}/0", [port]


def sentinel(folder):
    ports = [free_port() for _ in range(3)]
    master = ports[0]
    for port in ports:
        follow = [] if port == master else ["--replicaof", f"127.0.0.1 {master}"]
        start(folder, port, "--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1", *follow)
    until("both replicas follow", lambda: "connected_slaves:2" in call(master, "INFO", "replication"))
    watchers = [free_port() for _ in range(3)]
    for port in watchers:
        settings = folder / f"{port}.conf"
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {master} 2\n"
            f"sentinel down-after-milliseconds main {NODE_TIMEOUT_MS}\nsentinel failover-timeout main 4000\n"
        )
        launch(folder, port, str(settings), "--sentinel")
    for port in watchers:
        until(
            "the Sentinels know each other and the replicas",
            lambda: "status=ok,address=127.0.0.1:%d,slaves=2,sentinels=3" % master in call(port, "INFO", "sentinel"),
        )
    hosts = ",".join(f"127.0.0.1:{port}" for port in watchers)
    return f"redis+sentinel://doorcode:secret@{hosts}/main/0", [master]


def cluster(folder):
    ports = [free_port() for _ in range(6)]
    masters, replicas = ports[:3], ports[3:]
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", NODE_TIMEOUT_MS, "--cluster-config-file", "nodes.conf"]
    options += ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"]
    for port in ports:
        start(folder, port, *options)
    for place, port in enumerate(masters):
        call(port, "CLUSTER", "SET-CONFIG-EPOCH", place + 1)
        first, last = place * 16384 // 3, (place + 1) * 16384 // 3
        call(port, "CLUSTER", "ADDSLOTS", *range(first, last))
    for port in ports[1:]:
        call(ports[0], "CLUSTER", "MEET", "127.0.0.1", port)
    for port in ports:
        until("all know each other", lambda: "cluster_known_nodes:6" in call(port, "CLUSTER", "INFO"))
    for master, replica in zip(masters, replicas):
        name = call(master, "CLUSTER", "MYID")
        until("it knows its master", lambda: name in call(replica, "CLUSTER", "NODES"))
        until("it follows", lambda: call(replica, "CLUSTER", "REPLICATE", name) == "OK")
    for port in ports:
        until("the cluster is up", lambda: "cluster_state:ok" in call(port, "CLUSTER", "INFO"))
        until("all know who follows whom", lambda: call(port, "CLUSTER", "NODES").count("slave") == 3)
    for port in masters:
        until("its replica follows", lambda: "connected_slaves:1" in call(port, "INFO", "replication"))
    hosts = ",".join(f"127.0.0.1:{port}" for port in masters)
    return f"redis+cluster://doorcode:secret@{hosts}", masters


def main():
    kinds = {"one": one, "tls": tls, "sentinel": sentinel, "cluster": cluster}
    if len(sys.argv) < 3 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = pathlib.Path(sys.argv[2])
    try:
        url, masters = kinds[sys.argv[1]](folder, *sys.argv[3:])
        (folder / "masters").write_text("".join(f"{port}\n" for port in masters))
        # Whoever waits for this file is to find it whole.
        (folder / "url.new").write_text(url)
        (folder / "url.new").rename(folder / "url")
        sys.stdin.read()
    finally:
        for _, child in children:
            child.kill()
            child.wait()


main()
