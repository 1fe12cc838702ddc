// One `doorcode serve` as a child process, configured by the environment only.

import { execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

const READY_WITHIN_MS = 120_000; // the embedded PostgreSQL compiles itself the first time
const STOP_WITHIN_MS = 30_000;

/** The publishable keys of the two sites that the default configuration has. */
export const KEYS = { reader: 'doorcode_pub_reader_dev', management: 'doorcode_pub_manage_dev' };

/** An origin that the default configuration lists for the reader site. */
export const LISTED_ORIGIN = 'http://localhost:3000';

// One for all servers of this run: a second server on a database must open the signing keys of the first.
const MASTER = randomBytes(32).toString('base64');

/** A port of 127.0.0.1 that is free now. */
export async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

// What every server of this suite has in common. The limits on one client are out of the way: all requests
// come from 127.0.0.1. The gap between two mails is as short as it can be, not absent.
function commonSettings(port) {
  return {
    SERVER__ENVIRONMENT: 'development',
    SERVER__LISTEN: `127.0.0.1:${port}`,
    SERVER__SHARED_HOSTS: `127.0.0.1:${port}`,
    SITES__READER__URL: `http://reader.localhost:${port}`,
    SITES__MANAGEMENT__URL: `http://manage.localhost:${port}`,
    DATABASE__MIGRATE_AT_START: 'true',
    // Browsers and compilers share the cores with Redis here: a pause is no outage.
    REDIS__TIMEOUT_MS: '5000',
    SECRETS__MASTER: MASTER,
    LIMITS__CODE_REQUESTS: '100000',
    LIMITS__VERIFIES: '100000',
    LIMITS__REFRESHES: '100000',
    LIMITS__CLIENT_SENDS_PER_10MIN: '100000',
    LIMITS__CLIENT_SENDS_PER_HOUR: '100000',
    LIMITS__NETWORK_SENDS_PER_HOUR: '100000',
    LIMITS__CLIENT_WRONG_PER_10MIN: '100000',
    LIMITS__NETWORK_WRONG_PER_HOUR: '100000',
    CODES__GUESSES_PER_10MIN: '100000',
    CODES__GUESSES_PER_DAY: '100000',
    LIMITS__SEND_GAP_SECS: '1',
    LIMITS__SENDS_PER_HOUR: '1000',
    LIMITS__SENDS_PER_DAY: '1000',
  };
}

function environment(settings) {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('DOORCODE_'));
  const own = Object.entries(settings).map(([name, value]) => [`DOORCODE__${name}`, String(value)]);
  return Object.fromEntries([...inherited, ...own]);
}

/** The lean build, where one is named, for whoever brings a PostgreSQL. */
function binaryFor(settings) {
  const isEmbedded = settings.DATABASE__URL === 'embedded';
  const binary = (!isEmbedded && process.env.DOORCODE_TEST_LEAN_BIN) || process.env.DOORCODE_TEST_BIN;
  if (!binary) throw new Error('DOORCODE_TEST_BIN is not set: run this suite with tests/run');
  return binary;
}

/** Runs another command of the program to its end, on the same settings as a server; what it says on its output. */
export async function runCommand({ folder, settings, args }) {
  const port = await freePort();
  const own = typeof settings === 'function' ? settings(port) : settings;
  const env = environment({ ...commonSettings(port), ...own });
  const { stdout } = await promisify(execFile)(binaryFor(own), args, {
    cwd: folder, env, timeout: READY_WITHIN_MS,
  });
  return stdout;
}

/** Starts a server in `folder` and waits until it is ready. `settings` may be made from its port. */
export async function startServer({ folder, settings }) {
  const port = await freePort();
  const own = typeof settings === 'function' ? settings(port) : settings;
  const child = spawn(binaryFor(own), ['serve'], {
    cwd: folder,
    env: environment({ ...commonSettings(port), ...own }),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const server = new Server(child, port);
  try {
    await server.ready();
  } catch (error) {
    await server.stop();
    throw error;
  }
  return server;
}

class Server {
  #child;
  #chunks = [];
  #exit;

  constructor(child, port) {
    this.#child = child;
    this.url = `http://127.0.0.1:${port}`;
    this.authUrl = `${this.url}/auth/v1`;
    this.siteUrl = { reader: `http://reader.localhost:${port}`, management: `http://manage.localhost:${port}` };
    child.stdout.on('data', (chunk) => this.#chunks.push(chunk));
    child.stderr.on('data', (chunk) => this.#chunks.push(chunk));
    this.#exit = new Promise((resolve) => {
      child.on('error', (error) => resolve({ error }));
      child.on('exit', (code, signal) => resolve({ code, signal }));
    });
    this.#exit.then((how) => (this.exited = how));
    // Whatever happens to the suite, its servers end with it.
    process.on('exit', () => child.kill('SIGKILL'));
  }

  async ready() {
    const deadline = Date.now() + READY_WITHIN_MS;
    while (Date.now() < deadline) {
      if (this.exited) break;
      const status = await fetch(`${this.url}/health/ready`).then((response) => response.status, () => 0);
      if (status === 200) return;
      await sleep(50);
    }
    const why = this.exited ? `ended: ${JSON.stringify(this.exited)}` : 'did not become ready';
    throw new Error(`doorcode serve ${why}\n${this.logTail()}`);
  }

  /** Asks the server to leave; resolves to its exit code, or to what ended it. */
  async stop() {
    this.#child.kill('SIGTERM');
    const late = sleep(STOP_WITHIN_MS, 'late', { ref: false });
    if ((await Promise.race([this.#exit, late])) === 'late') this.#child.kill('SIGKILL');
    const { code, signal, error } = await this.#exit;
    return code ?? signal ?? error;
  }

  /** Everything that the server has written so far. */
  log() {
    return Buffer.concat(this.#chunks).toString('utf8');
  }

  logTail(lines = 40) {
    return this.log().trimEnd().split('\n').slice(-lines).join('\n');
  }
}
