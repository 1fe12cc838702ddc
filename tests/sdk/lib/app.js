// What a story works with: a running server, its mail, and clients of both sites that remember what they saw.

import { AuthClient } from '@supabase/auth-js';
import { createClient } from '@supabase/supabase-js';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import ws from 'ws';
import { KEYS, runCommand, startServer } from '../../node/server.js';
import { codeIn } from '../../node/mail.js';

const ANSWERS_WITHIN_MS = 20_000;
let clients = 0;

/** A `fetch` that remembers each call, and may spoil an answer on its way back. */
export class Recorder {
  calls = [];
  /** Called with each answer; what it throws is what the client gets in place of the answer. */
  spoil = undefined;

  constructor(secrets) {
    this.secrets = secrets;
    this.fetch = async (input, init = {}) => {
      const call = { method: init.method ?? 'GET', url: new URL(input), sent: new Headers(init.headers) };
      this.calls.push(call);
      const response = await fetch(input, { ...init, signal: AbortSignal.timeout(ANSWERS_WITHIN_MS) });
      const text = await response.clone().text();
      const body = /json/.test(response.headers.get('content-type') ?? '') && text ? JSON.parse(text) : text;
      Object.assign(call, { status: response.status, headers: response.headers, body });
      for (const name of ['access_token', 'refresh_token']) if (body?.[name]) this.secrets.add(body[name]);
      this.spoil?.(call);
      return response;
    };
  }

  /** The newest call, with its answer. */
  get last() {
    return this.calls.at(-1);
  }

  /** How often this path was called. */
  count(method, path) {
    return this.calls.filter((call) => call.method === method && call.url.pathname === `/auth/v1${path}`).length;
  }
}

export class App {
  /** Tokens and addresses of this run: none of them may appear in a log. */
  secrets = new Set();

  constructor(backend) {
    this.backend = backend;
  }

  async start() {
    await this.backend.open();
    const { folder } = this.backend;
    // The first key is made on the machine itself, before the server has the stores for itself.
    const settings = await this.backend.settings();
    await runCommand({ folder, settings, args: ['migrate'] });
    const args = ['service-key', 'create', 'stories', '--scope', 'admin', '--direct'];
    this.#firstKey = (await runCommand({ folder, settings, args })).trim();
    this.secrets.add(this.#firstKey);
    this.server = await startServer({ folder, settings });
  }

  #firstKey;

  /** A new service key that speaks for a site, made by the admin API. */
  async serviceKey({ site = 'reader', scope = 'admin' } = {}) {
    const made = await fetch(`${this.server.url}/admin/v1/service-keys`, {
      method: 'POST',
      headers: { authorization: `Bearer ${this.#firstKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'a story', scope, site }),
    });
    const { key } = await made.json();
    this.secrets.add(key);
    return key;
  }

  /** One more server on the same backend, with other settings. The caller stops it. */
  async startAnother(settings) {
    return startServer({
      folder: this.backend.folder,
      settings: { ...(await this.backend.settings()), ...settings },
    });
  }

  get mailbox() {
    return this.backend.mailbox;
  }

  /** An address nobody has used. */
  freshAddress(name = 'ada') {
    const address = `${name}-${randomBytes(6).toString('hex')}@example.org`;
    this.secrets.add(address);
    return address;
  }

  /** A bare auth client of a site, with the recorder of its calls as `http`. */
  client(site = 'reader', server = this.server, options = {}) {
    const http = new Recorder(this.secrets);
    const auth = new AuthClient({
      url: server.authUrl,
      headers: { apikey: KEYS[site] },
      fetch: http.fetch,
      persistSession: false, // kept in memory, by this client alone
      autoRefreshToken: false,
      storageKey: `client-${++clients}`, // the cache of public keys is shared by this name
      ...options,
    });
    return { auth, http };
  }

  /** The whole client, as an application makes it. */
  supabase(site = 'reader', key = KEYS[site]) {
    const http = new Recorder(this.secrets);
    const supabase = createClient(this.server.url, key, {
      auth: { persistSession: false, autoRefreshToken: false, storageKey: `client-${++clients}` },
      global: { fetch: http.fetch },
      realtime: { transport: ws }, // Node.js 20 has no WebSocket of its own
    });
    return { supabase, auth: supabase.auth, http };
  }

  /** A request without a client library. */
  async raw(method, path, { site = 'reader', token, version = '2024-01-01', headers = {}, body } = {}) {
    const all = new Headers(headers);
    if (site) all.set('apikey', KEYS[site]);
    if (token) all.set('authorization', `Bearer ${token}`);
    if (version) all.set('x-supabase-api-version', version);
    if (body !== undefined) all.set('content-type', 'application/json;charset=UTF-8');
    const http = new Recorder(this.secrets);
    await http.fetch(`${this.server.authUrl}${path}`, { method, headers: all, body: JSON.stringify(body) });
    return http.last;
  }

  /**
   * Calls until it is not "too soon" any more, waiting as long as each refusal asks. Our servers send at most one
   * mail a second to an address.
   */
  async patiently({ http }, call) {
    for (let refusals = 0; ; refusals += 1) {
      const answer = await call();
      if (answer.error?.code !== 'over_email_send_rate_limit' || refusals === 3) return answer;
      await sleep(Number(http.last.headers.get('retry-after')) * 1000);
    }
  }

  /** Asks for a code and takes it from the mailbox. */
  async code(client, email, options = {}) {
    const before = await this.mailbox.count(email);
    const { error } = await this.patiently(client, () => client.auth.signInWithOtp({ email, options }));
    if (error) throw error;
    return this.mailbox.nthCode(email, before + 1);
  }

  /** Signs this address in, in a client of its own. */
  async signIn(email, { site = 'reader', options } = {}) {
    const client = this.client(site);
    const token = await this.code(client, email, options);
    const { data, error } = await client.auth.verifyOtp({ email, token, type: 'email' });
    if (error) throw error;
    return { ...client, ...data };
  }

  /** The codes that reached an address which was asked for earlier: a code asked for now comes after them. */
  async codesSentTo(email) {
    await this.code(this.client('reader'), this.freshAddress('fence'));
    await sleep(500); // workers send side by side
    return (await this.mailbox.list(email)).map(codeIn).filter(Boolean);
  }
}
