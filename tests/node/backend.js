// The two set-ups that stories are told on. Each gives a server its settings, reads its mail and cleans up.

import { createClient } from '@redis/client';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { InboxMailbox, SinkMailbox } from './mail.js';
import { freePort } from './server.js';

function required(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run this suite with tests/run`);
  return value;
}

async function temporaryFolder() {
  return mkdtemp(join(tmpdir(), 'doorcode-node-')); // tests/run points TMPDIR into its run folder
}

/** PostgreSQL, Redis and a mail server beside us, as in production. */
export class Services {
  name = 'PostgreSQL, Redis and SMTP';
  /** Whether the suite may ask the database itself. */
  sqlIsOpen = true;
  #id = randomBytes(4).toString('hex');
  #keys = `node-${this.#id}-`;
  #servers = 0;

  async open() {
    this.folder = await temporaryFolder();
    this.mailbox = new SinkMailbox(required('DOORCODE_TEST_SMTP_DIR'));
    this.database = `doorcode_node_${this.#id}`;
    await this.#asSuperuser(`create database ${this.database}`);
    this.ownerUrl = this.#databaseUrl();
    this.sql = new pg.Client({ connectionString: this.ownerUrl });
    await this.sql.connect();
  }

  #databaseUrl(user) {
    const url = new URL(required('DOORCODE_TEST_DATABASE_URL'));
    url.pathname = `/${this.database}`;
    if (user) Object.assign(url, { username: user, password: 'secret' });
    return url.href;
  }

  async #asSuperuser(...statements) {
    const client = new pg.Client({ connectionString: required('DOORCODE_TEST_DATABASE_URL') });
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  }

  /** Settings of one more server on this database; what it keeps in Redis is its own. */
  async settings() {
    this.#servers += 1;
    return {
      DATABASE__URL: this.#databaseUrl(this.database), // a role of the same name, which `migrate` makes
      DATABASE__OWNER_URL: this.ownerUrl,
      REDIS__URL: required('DOORCODE_TEST_REDIS_URL'),
      REDIS__KEY_PREFIX: `${this.#keys}${this.#servers}`,
      MAIL__TRANSPORT: 'smtp',
      MAIL__SMTP_HOST: 'localhost',
      MAIL__SMTP_PORT: required('DOORCODE_TEST_SMTP_PORT'),
      MAIL__SMTP_TLS: 'starttls',
      MAIL__SMTP_CA_FILE: required('DOORCODE_TEST_SMTP_CA'),
    };
  }

  /** Lets time pass for all that is short-lived: codes, limits, waits. What has been kept that long is gone. */
  async advance(seconds) {
    this.redis ??= await createClient({ url: required('DOORCODE_TEST_REDIS_URL') }).connect();
    const by = seconds * 1000;
    for (const key of await this.redis.keys(`${this.#keys}*`)) {
      const left = await this.redis.pTTL(key);
      assert.notEqual(left, -1, `a key without an end in Redis: ${key}`);
      if ((await this.redis.type(key)) === 'list') {
        for (const [place, entry] of (await this.redis.lRange(key, 0, -1)).entries()) {
          await this.redis.lSet(key, place, entry.replace(/^\d+/, (at) => String(Number(at) - by)));
        }
      }
      if (left > by) await this.redis.pExpire(key, left - by);
      else await this.redis.del(key);
    }
  }

  /** How many accounts there are; undefined where the suite may not ask. */
  async countUsers() {
    const { rows } = await this.sql.query('select count(*)::int as users from auth.users');
    return rows[0].users;
  }

  async close() {
    await rm(this.folder, { recursive: true, force: true });
    await this.redis?.close();
    await this.sql?.end();
    await this.#asSuperuser(`drop database if exists ${this.database} with (force)`, `drop role if exists ${this.database}`);
  }
}

/** Nothing beside us: PostgreSQL in the process, codes in memory, mail in the development inbox. */
export class Embedded {
  name = 'embedded';
  sqlIsOpen = false;
  #servers = 0;

  async open() {
    this.folder = await temporaryFolder();
  }

  /** Settings of one more server, with a database of its own. The first server's inbox is the mailbox. */
  async settings() {
    this.#servers += 1;
    const inbox = `127.0.0.1:${await freePort()}`;
    const data = join(this.folder, `data-${this.#servers}`);
    await mkdir(data);
    this.mailbox ??= new InboxMailbox(`http://${inbox}`);
    return {
      DATABASE__URL: 'embedded',
      DATABASE__DATA_DIR: data,
      REDIS__URL: 'memory',
      MAIL__TRANSPORT: 'inbox',
      MAIL__INBOX_LISTEN: inbox,
    };
  }

  async countUsers() {
    return undefined;
  }

  async close() {
    await rm(this.folder, { recursive: true, force: true });
  }
}
