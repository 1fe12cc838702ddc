#!/usr/bin/env python3
"""An SMTP server that keeps what it is given, one JSON file a message, and fails on purpose.

    smtp_sink.py --dir MAIL --port-file FILE --cert PEM --key PEM [--port 0]

It asks for STARTTLS before anything else. Each accepted message becomes MAIL/<seq>-<id>.json with id, seq, time,
from, to, tls, authenticated, subject, text, html and raw; the file appears whole (written aside, then renamed). What it
refused is a line in MAIL/refused.jsonl. How a recipient behaves is in the local part's first letters:

    greylist…   450 the first time, accepted from then on
    busy…       421 and the connection closed the first time, accepted from then on
    says-451-421-…  these replies in turn, 421 with the connection closed, and accepted from then on
    bounce…     550 every time
    full…       552 every time
    slow…       accepted, two seconds after the end of the message
    lost…       accepted, and the first time the connection closed without saying so

Who sends may say their name and password, once the connection has TLS; any will do.
"""

import argparse
import asyncio
import email
import email.policy
import itertools
import json
import os
import re
import signal
import ssl
import uuid
from datetime import datetime, timezone
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult

SLOW_SECONDS = 2
REPLIES = {
    421: "421 4.3.2 Too busy, closing the connection",
    450: "450 4.2.0 Greylisted, please come back later",
    451: "451 4.3.0 Something is wrong here, please come back later",
    452: "452 4.2.2 The mailbox is full for now",
    550: "550 5.1.1 No such mailbox here",
    552: "552 5.2.2 The mailbox is full",
}


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def part(message: email.message.EmailMessage, kind: str) -> str:
    body = message.get_body(preferencelist=(kind,))
    return body.get_content() if body is not None else ""


class Sink:
    """What aiosmtpd asks at each step of a conversation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.sequence = itertools.count(1)
        self.tries: dict[str, int] = {}

    def tries_of(self, address: str) -> int:
        tries = self.tries.get(address, 0)
        self.tries[address] = tries + 1
        return tries

    def reply(self, address: str) -> int | None:
        """The number of the reply that this try for an address gets; none if it is taken."""
        script = re.match(r"says((?:-[45]\d\d)+)-", address)
        if address.startswith("bounce"):
            return 550
        if address.startswith("full"):
            return 552
        if script is not None:
            replies = [int(number) for number in script[1].split("-")[1:]]
        elif address.startswith("greylist"):
            replies = [450]
        elif address.startswith("busy"):
            replies = [421]
        else:
            return None
        tries = self.tries_of(address)
        return replies[tries] if tries < len(replies) else None

    def refuse(self, address: str, reply: str) -> str:
        with open(self.folder / "refused.jsonl", "a", encoding="utf-8") as lines:
            lines.write(json.dumps({"time": now(), "to": address, "reply": reply}) + "\n")
        print(f"{now()} refused: {reply}", flush=True)
        return reply

    async def handle_RCPT(self, server, session, envelope, address, options) -> str:
        number = self.reply(address.lower())
        if number == 421:
            # aiosmtpd sends the reply after we return; hang up once it is out.
            server.loop.call_later(0.05, lambda: server.transport and server.transport.close())
        if number is not None:
            return self.refuse(address, REPLIES[number])
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope) -> str:
        if any(address.lower().startswith("slow") for address in envelope.rcpt_tos):
            await asyncio.sleep(SLOW_SECONDS)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        number, name = next(self.sequence), uuid.uuid4().hex
        record = {
            "id": name,
            "seq": number,
            "time": now(),
            "from": envelope.mail_from,
            "to": list(envelope.rcpt_tos),
            "tls": session.ssl is not None,
            "authenticated": bool(session.authenticated),
            "subject": str(message.get("subject", "")),
            "text": part(message, "plain"),
            "html": part(message, "html"),
            "raw": envelope.content.decode("utf-8", "replace"),
        }
        file = self.folder / f"{number:06d}-{name}.json"
        aside = self.folder / f".{name}.part"
        aside.write_text(json.dumps(record, ensure_ascii=False), encoding="utf-8")
        os.replace(aside, file)
        print(f"{now()} accepted {file.name} tls={record['tls']}", flush=True)
        lost = [to.lower() for to in envelope.rcpt_tos if to.lower().startswith("lost")]
        if any(self.tries_of(to) == 0 for to in lost) and server.transport is not None:
            server.transport.abort()
        return f"250 2.0.0 OK {name}"


async def serve(args: argparse.Namespace) -> None:
    args.dir.mkdir(parents=True, exist_ok=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(args.cert, args.key)
    loop = asyncio.get_running_loop()
    sink = Sink(args.dir)

    def connection() -> SMTP:
        return SMTP(
            sink,
            hostname="localhost",
            ident="test mail sink",
            tls_context=tls,
            require_starttls=True,
            auth_require_tls=True,
            authenticator=lambda *_: AuthResult(success=True),
            enable_SMTPUTF8=True,
            loop=loop,
        )

    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    server = await loop.create_server(connection, "127.0.0.1", args.port)
    port = server.sockets[0].getsockname()[1]
    aside = args.port_file.with_suffix(".part")
    aside.write_text(f"{port}\n", encoding="ascii")
    os.replace(aside, args.port_file)
    print(f"{now()} listening on 127.0.0.1:{port}", flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", type=Path, required=True, help="folder that receives the messages")
    parser.add_argument("--port-file", type=Path, required=True, help="receives the port once it listens")
    parser.add_argument("--cert", required=True, help="certificate chain, PEM")
    parser.add_argument("--key", required=True, help="private key, PEM")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
