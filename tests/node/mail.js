// Two ways to read a mailbox: the folder in which the test mail server keeps what it was given, and the
// development inbox of the server itself, which answers like Mailpit. A message is { subject, text, html }.

import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const ARRIVES_WITHIN_MS = 20_000;

/** The six-digit code of a message, which stands on a line of its own, or undefined: some messages have none. */
export function codeIn(message) {
  return message.text.match(/^ {4}(\d{6})$/m)?.[1];
}

/** The token of the link in a message, or undefined. */
export function linkTokenIn(message) {
  return message.text.match(/[?&]token_hash=([\w-]+)/)?.[1];
}

class Mailbox {
  /** The `number`-th message (from 1) to this address, as soon as it is there. */
  async nth(address, number) {
    const deadline = Date.now() + ARRIVES_WITHIN_MS;
    for (;;) {
      const messages = await this.list(address);
      if (messages.length >= number) return messages[number - 1];
      if (Date.now() > deadline) {
        throw new Error(`${messages.length} of ${number} mails to ${address} within ${ARRIVES_WITHIN_MS} ms`);
      }
      await sleep(30);
    }
  }

  /** The code in the `number`-th message to this address. */
  async nthCode(address, number) {
    const message = await this.nth(address, number);
    const code = codeIn(message);
    if (!code) throw new Error(`no code in this mail:\n${message.subject}\n\n${message.text}`);
    return code;
  }

  async count(address) {
    return (await this.list(address)).length;
  }
}

/** What arrived over SMTP. */
export class SinkMailbox extends Mailbox {
  #read = new Map();

  constructor(folder) {
    super();
    this.folder = folder;
  }

  /** All messages to this address, oldest first. */
  async list(address) {
    const names = (await readdir(this.folder)).filter((name) => /^\d+-.*\.json$/.test(name)).sort();
    for (const name of names) {
      if (!this.#read.has(name)) {
        this.#read.set(name, JSON.parse(await readFile(join(this.folder, name), 'utf8')));
      }
    }
    return [...this.#read.values()].filter((message) => message.to.includes(address)).sort((a, b) => a.seq - b.seq);
  }
}

/** What the development inbox holds. */
export class InboxMailbox extends Mailbox {
  constructor(url) {
    super();
    this.url = url;
  }

  async list(address) {
    const { messages } = await this.#get(`search?query=${encodeURIComponent(`to:${address}`)}`);
    const full = messages.map(async ({ ID }) => {
      const { Subject, Text, HTML } = await this.#get(`message/${ID}`);
      return { subject: Subject, text: Text, html: HTML };
    });
    return (await Promise.all(full)).reverse(); // the newest comes first
  }

  async #get(path) {
    const response = await fetch(`${this.url}/api/v1/${path}`);
    if (!response.ok) throw new Error(`inbox: ${response.status} for ${path}: ${await response.text()}`);
    return response.json();
  }
}
