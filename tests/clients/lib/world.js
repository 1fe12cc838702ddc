// What the clients are tried on: a server with its database and mail, its documents, and somebody who is signed in.

import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Services } from '../../node/backend.js';
import { KEYS, runCommand, startServer } from '../../node/server.js';

const run = promisify(execFile);
const TOOL_ENDS_WITHIN_MS = 900_000;

/** Where the server has each document. */
const PLACES = { public: '/openapi.json', admin: '/admin/openapi.json' };

export class World {
  backend = new Services();

  async start(settings = {}) {
    await this.backend.open();
    const { folder } = this.backend;
    this.settings = { ...(await this.backend.settings()), ...settings };
    await runCommand({ folder, settings: this.settings, args: ['migrate'] });
    const args = ['service-key', 'create', 'generated clients', '--scope', 'admin', '--direct'];
    this.key = (await runCommand({ folder, settings: this.settings, args })).trim();
    this.server = await startServer({ folder, settings: this.settings });
    this.documents = {};
    for (const [name, place] of Object.entries(PLACES)) {
      const served = await fetch(this.server.url + place);
      this.documents[name] = join(folder, `${name}.json`);
      await writeFile(this.documents[name], await served.text());
    }
  }

  /** A folder for what a tool writes. */
  async folder(name) {
    const folder = join(this.backend.folder, name);
    await mkdir(folder, { recursive: true });
    return folder;
  }

  /** A session at a site, and whose it is. Only the reader site takes an address that is new. */
  async signIn({ site = 'reader', email = `ada-${randomBytes(6).toString('hex')}@example.org` } = {}) {
    const { mailbox } = this.backend;
    const before = await mailbox.count(email);
    await this.#post(site, '/otp', { email });
    const token = await mailbox.nthCode(email, before + 1);
    const session = await this.#post(site, '/verify', { email, token, type: 'email' });
    return { email, token: session.access_token, id: session.user.id };
  }

  async #post(site, path, body) {
    const answer = await fetch(this.server.authUrl + path, {
      method: 'POST',
      headers: { apikey: KEYS[site], 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return answer.json();
  }

  /** What a client's story works with. */
  async task() {
    const person = await this.signIn();
    return {
      SERVER: this.server.url,
      SERVICE_KEY: this.key,
      SITE_KEY: KEYS.reader,
      EMAIL: person.email,
      USER_ID: person.id,
      ACCESS_TOKEN: person.token,
      LIBRARY: `central-${randomBytes(3).toString('hex')}`,
    };
  }

  async stop() {
    await this.server?.stop();
    await this.backend.close();
  }
}

/** Runs a tool to its end; what it says is in the error when it fails. */
export async function tool(program, args, { cwd, env = {} } = {}) {
  try {
    const { stdout } = await run(program, args, {
      cwd,
      env: { ...process.env, ...env },
      timeout: TOOL_ENDS_WITHIN_MS,
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout;
  } catch (error) {
    throw new Error(`${program} ${args.join(' ')}\n${error.stdout}\n${error.stderr}`, { cause: error.code });
  }
}
