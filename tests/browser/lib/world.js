// What a story works with: a running server with its mail, browsers, and people who work at libraries.

import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import { KEYS, startServer } from '../../node/server.js';
import { Browser, form, launch, leads, send } from './chromium.js';
import { Neighbours } from './neighbours.js';

export class World {
  constructor(backend, settings = {}) {
    this.backend = backend;
    this.own = settings;
  }

  async start() {
    this.neighbours = new Neighbours();
    await this.neighbours.start();
    await this.backend.open();
    this.chromium = await launch();
    const backend = await this.backend.settings();
    this.server = await startServer({
      folder: this.backend.folder,
      settings: (port) => ({
        // As in production: the pages have a story about this gap.
        LIMITS__SEND_GAP_SECS: '60',
        SITES__READER__ORIGINS: this.neighbours.books,
        SITES__MANAGEMENT__ORIGINS: this.neighbours.desk,
        SITES__MANAGEMENT__LIBRARY_HOME: `${this.neighbours.desk}/{code}`,
        ...backend,
        ...this.own,
      }),
    });
  }

  async stop() {
    await this.chromium?.close();
    this.neighbours?.stop();
    await this.server?.stop();
    await this.backend.close();
  }

  get mailbox() {
    return this.backend.mailbox;
  }

  /** An address on a site. */
  at(site, path = '/') {
    return `${this.server.siteUrl[site]}${path}`;
  }

  /** A browser that is closed when the test is over; a complaint of a page fails it. */
  async browser(test, options) {
    const browser = await Browser.open(this.chromium, options);
    test.after(async () => {
      if (test.passed === false) test.diagnostic(await browser.describe());
      await browser.close();
    });
    return browser;
  }

  /** An address nobody has used. */
  freshAddress(name = 'ada') {
    return `${name}-${randomBytes(5).toString('hex')}@example.org`;
  }

  /** A code that no library has. */
  freshCode(name) {
    return `${name}-${randomBytes(3).toString('hex')}`;
  }

  /** Lets time pass for codes and limits. */
  async advance(seconds) {
    await this.backend.advance(seconds);
  }

  // ---- signing in -----------------------------------------------------------------------------------------

  /** Gives the address; afterwards the page asks for the code, which this returns. */
  async ask(page, email, { site = 'reader', redirectTo } = {}) {
    const before = await this.mailbox.count(email);
    const query = redirectTo === undefined ? '' : `?redirectTo=${encodeURIComponent(redirectTo)}`;
    await page.goto(this.at(site, `/login${query}`));
    await send(page, '/login', { email });
    return this.mailbox.nthCode(email, before + 1);
  }

  /** Types a code and presses Enter. */
  async enterCode(page, code) {
    const field = form(page, '/login/code').locator('[name="code"]').first();
    await field.fill(code);
    await leads(page, () => field.press('Enter'));
  }

  /** Signs in, from address to destination. */
  async signIn(page, email, options) {
    await this.enterCode(page, await this.ask(page, email, options));
  }

  // ---- people ---------------------------------------------------------------------------------------------

  /** Somebody who has an account. Returns the address. */
  async person(name = 'ada', { locale = 'en', displayName } = {}) {
    const email = this.freshAddress(name);
    await this.backend.sql.query(
      `insert into auth.users (id, email, email_confirmed_at, raw_user_meta_data, locale)
       values (gen_random_uuid(), $1, now(), $2, $3)`,
      [email, { email, email_verified: true, display_name: displayName }, locale],
    );
    return email;
  }

  /** A library. Returns its code. */
  async library(name) {
    const code = this.freshCode(name.toLowerCase().replace(/[^a-z]+/g, '-'));
    await this.backend.sql.query(
      `insert into public.libraries (name, code, address) values ($1, $2, '{"city": "Hà Nội"}')`,
      [name, code],
    );
    return code;
  }

  /** Somebody who works there. Returns the address. */
  async staff(role, ...libraries) {
    const email = await this.person(role);
    for (const code of libraries) {
      await this.backend.sql.query(
        `insert into public.library_staff (user_id, library_id, role)
         select users.id, libraries.id, $3 from auth.users, public.libraries where email = $1 and code = $2`,
        [email, code, role],
      );
    }
    return email;
  }

  /** Somebody whose account has a part in administration. Returns the address. */
  async administrator(scope) {
    const email = await this.person(`${scope}.desk`);
    await this.backend.sql.query(
      `update auth.users set raw_app_meta_data = jsonb_build_object('admin_scope', $2::text) where email = $1`,
      [email, scope],
    );
    return email;
  }

  /** Signs somebody in who administers, and opens the console. */
  async atConsole(page, scope) {
    await this.signIn(page, await this.administrator(scope), { site: 'management', redirectTo: '/admin' });
  }

  /** A day of which the audit log tells something, as far as it lies in this month: older parts of the log may not be there. */
  async busyDay() {
    await this.backend.sql.query(
      `insert into auth.audit_log (action, site, created_at)
       select kind.action, kind.site, moment
         from generate_series(now() - interval '23 hours', now() - interval '5 minutes', interval '7 minutes') with ordinality as m (moment, place),
              (values ('login', 'reader', 1), ('login', 'management', 4), ('code_asked', 'reader', 1), ('code_refused', 'reader', 9),
                      ('user_signedup', 'reader', 11), ('logout', 'reader', 5)) as kind (action, site, every)
        where place % kind.every = 0 and moment >= date_trunc('month', now())
          and extract(hour from moment) between place % 7 and 23 - place % 5`,
    );
  }

  /** A service key, made at the console. */
  async serviceKey(scope) {
    this.keys ??= {};
    this.keys[scope] ??= await this.#makeServiceKey(scope);
    return this.keys[scope];
  }

  async #makeServiceKey(scope) {
    const browser = await Browser.open(this.chromium);
    await this.atConsole(browser.page, 'admin');
    await browser.page.goto(this.at('management', '/admin/keys'));
    await send(browser.page, '/admin/keys', { name: `A key that may ${scope}`, scope });
    const key = await browser.page.locator('#new-key').inputValue();
    await browser.close();
    return key;
  }

  /** An access token, without a browser. */
  async token(email, site = 'management') {
    const before = await this.mailbox.count(email);
    await this.call('POST', '/auth/v1/otp', { site, body: { email } });
    const token = await this.mailbox.nthCode(email, before + 1);
    const { body } = await this.call('POST', '/auth/v1/verify', { site, body: { type: 'email', email, token } });
    return body.access_token;
  }

  /** A request without a browser. */
  async call(method, path, { site = 'reader', token, body } = {}) {
    const headers = { apikey: KEYS[site] };
    if (token) headers.authorization = `Bearer ${token}`;
    if (body) headers['content-type'] = 'application/json';
    const answer = await fetch(`${this.server.url}${path}`, { method, headers, body: body && JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
    return { status: answer.status, body: text && JSON.parse(text) };
  }

  /** Invites an address to a library, as its owner. Returns the path of the mailed link. */
  async invite(owner, code, email, role = 'librarian') {
    const before = await this.mailbox.count(email);
    const body = { email, role, message: 'We would love to have you here.' };
    await this.call('POST', `/api/v1/libraries/${code}/invitations`, {
      site: 'management',
      token: await this.token(owner),
      body,
    });
    const { text } = await this.mailbox.nth(email, before + 1);
    return text.match(/\/invitations\/[A-Za-z0-9_-]+/)[0];
  }
}

/** A story that goes the same way whether or not the browser runs scripts: two tests. */
export function bothWays(name, story) {
  it(name, (test) => story(test, { script: true }));
  it(`${name}, without a script`, (test) => story(test, { script: false }));
}
