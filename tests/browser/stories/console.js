// The console: both ways in, and what people who run the server do there.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { doneWith, form, leads, path, refusedWith, send } from '../lib/chromium.js';
import { bothWays } from '../lib/world.js';

const site = 'management';

export function consoleStories(world) {
  const follow = (page, name) => leads(page, () => page.getByRole('link', { name, exact: true }).first().click());
  const section = (page, name) => leads(page, () => page.locator('.sections').getByRole('link', { name, exact: true }).click());

  describe('the console', () => {
    bothWays('opens with a service key, which is forgotten on leaving', async (test, { script }) => {
      const key = await world.serviceKey('read');
      const { page } = await world.browser(test, { script });
      await page.goto(world.at(site, '/admin/people'));
      assert.equal(new URL(page.url()).pathname, '/admin/sign-in');
      await send(page, '/admin/sign-in', { key: `${key.slice(0, -1)}${key.endsWith('A') ? 'B' : 'A'}` });
      await refusedWith(page, /unknown, revoked or past its end/);
      await send(page, '/admin/sign-in', { key });
      assert.equal(path(page), '/admin/people', 'it leads to where one wanted to go');
      assert.match(await page.locator('header').innerText(), /service key.*read/s);
      await send(page, '/admin/sign-out');
      await doneWith(page, /left the console/);
      await page.goto(world.at(site, '/admin'));
      assert.equal(new URL(page.url()).pathname, '/admin/sign-in');
    });

    bothWays('opens with the sign-in of an account that has a part in administration', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const email = await world.administrator('support');
      await page.goto(world.at(site, '/admin'));
      await leads(page, () => page.locator('main a[href^="/login"]').click());
      await send(page, '/login', { email });
      await world.enterCode(page, await world.mailbox.nthCode(email, 1));
      assert.equal(path(page), '/admin');
      assert.match(await page.locator('header').innerText(), new RegExp(`${email}.*support`, 's'));
    });

    bothWays('stays shut to everybody else who is signed in', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      await world.signIn(page, await world.staff('owner', await world.library('North')), { site });
      const answer = await page.goto(world.at(site, '/admin'));
      assert.equal(answer.status(), 403);
      assert.match(await page.locator('main').innerText(), /no part in administration/);
      const reader = await world.browser(test, { script });
      await world.signIn(reader.page, await world.person());
      assert.equal((await reader.page.goto(world.at('reader', '/admin'))).status(), 404);
    });

    bothWays('finds a person and ends a session, after asking', async (test, { script }) => {
      const [desk, reader] = [await world.browser(test, { script }), await world.browser(test, { script })];
      const email = world.freshAddress('lost.phone');
      await world.signIn(reader.page, email, { redirectTo: '/account' });
      await world.atConsole(desk.page, 'support');
      await section(desk.page, 'People');
      const search = desk.page.locator('form[action="/admin/people"]');
      await search.locator('[name="email"]').fill(email.slice(0, -8));
      await leads(desk.page, () => search.locator('button').click());
      await follow(desk.page, email);
      await leads(desk.page, () => desk.page.getByRole('link', { name: /^End the session at reader/ }).click());
      await follow(desk.page, 'Leave it as it is');
      await leads(desk.page, () => desk.page.getByRole('link', { name: /^End the session at reader/ }).click());
      await send(desk.page, new URL(desk.page.url()).pathname);
      await doneWith(desk.page, /session was ended/);
      assert.match(await desk.page.locator('main').innerText(), /Signed in nowhere/);
      await reader.page.goto(world.at('reader', '/account'));
      assert.equal(new URL(reader.page.url()).pathname, '/login');
    });

    bothWays('bans an account and lifts the ban again', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const email = await world.person('trouble');
      await world.atConsole(page, 'support');
      await page.goto(world.at(site, `/admin/people?email=${email}`));
      await follow(page, email);
      await follow(page, 'Ban the account');
      await send(page, new URL(page.url()).pathname, { days: '7' });
      await doneWith(page, /banned/);
      assert.match(await page.locator('h1').innerText(), /banned/);
      const lift = page.locator('form[action$="/lift-ban"]');
      await send(page, '', {}, { form: lift });
      await doneWith(page, /lifted/);
    });

    bothWays('gives somebody a part in administration, and takes it away', async (test, { script }) => {
      const [desk, other] = [await world.browser(test, { script }), await world.browser(test, { script })];
      const email = await world.person('colleague');
      await world.signIn(other.page, email, { site, redirectTo: '/account' });
      await world.atConsole(desk.page, 'admin');
      for (const [scope, status] of [['read', 200], ['', 403]]) {
        await desk.page.goto(world.at(site, `/admin/people?email=${email}`));
        await follow(desk.page, email);
        await follow(desk.page, 'Change the part in administration');
        await send(desk.page, new URL(desk.page.url()).pathname, { scope });
        await doneWith(desk.page, /part in administration was set/);
        assert.equal((await other.page.goto(world.at(site, '/admin/people'))).status(), status);
      }
    });

    bothWays('decides an access request', async (test, { script }) => {
      const [desk, newcomer] = [await world.browser(test, { script }), await world.browser(test, { script })];
      const code = await world.library('North');
      const email = await world.person('newcomer', { displayName: 'Grace Hopper' });
      await world.signIn(newcomer.page, email, { site });
      await send(newcomer.page, '/request-access', { library: code, message: 'I start on <b>Monday</b>.' });
      await world.atConsole(desk.page, 'support');
      await section(desk.page, 'Access requests');
      const row = desk.page.locator('.row').filter({ hasText: email });
      await leads(desk.page, () => row.getByRole('link', { name: /^Decide/ }).click());
      assert.match(await desk.page.locator('main').innerText(), /I start on <b>Monday<\/b>\./);
      const before = await world.mailbox.count(email);
      await send(desk.page, new URL(desk.page.url()).pathname, { role: 'volunteer', note: 'Welcome!' }, { value: 'approve' });
      await doneWith(desk.page, /approved/);
      assert.match((await world.mailbox.nth(email, before + 1)).text, /Welcome!/);
      await newcomer.page.goto(world.at(site, '/account'));
      assert.match(await newcomer.page.locator('main').innerText(), /North.*Volunteer/s);
    });

    bothWays('reads in the audit log what was done to somebody', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const email = await world.person('trouble');
      await world.atConsole(page, 'support');
      await page.goto(world.at(site, `/admin/people?email=${email}`));
      await follow(page, email);
      const person = page.url();
      await send(page, '', {}, { form: page.locator('form[action$="/unlock"]') });
      await doneWith(page, /limits of the address were lifted/);
      await page.goto(person);
      await follow(page, 'What was done to it');
      const row = page.locator('tbody tr').first();
      assert.match(await row.innerText(), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\s.*unlock.*user/is);
      const search = page.locator('form[action="/admin/audit-log"]');
      await search.locator('[name="action"]').fill('nothing_of_the_kind');
      await leads(page, () => search.locator('button').click());
      await refusedWith(page, /action/);
      await page.goto(world.at(site, '/admin/audit-log?action=login'));
      const actions = await page.locator('tbody tr td:nth-child(2)').allInnerTexts();
      assert.ok(actions.length > 0 && actions.every((action) => action === 'login'), actions.join());
    });

    it('follows the audit log, and stops when told', async (test) => {
      const { page } = await world.browser(test);
      const before = `pw-${world.freshCode('x')}`;
      await world.atConsole(page, 'admin');
      await page.goto(world.at(site, '/admin/audit-log?action=service_key_made'));
      await page.getByRole('button', { name: 'Follow', exact: true }).click();
      const desk = await world.browser(test);
      await world.atConsole(desk.page, 'admin');
      await desk.page.goto(world.at(site, '/admin/keys'));
      await send(desk.page, '/admin/keys', { name: before, scope: 'read' });
      await page.locator('#log').getByText(before).waitFor({ state: 'attached' });
      await page.getByRole('button', { name: 'Stop following' }).click();
      await page.getByRole('button', { name: 'Follow', exact: true }).waitFor();
    });

    bothWays('shows the figures as charts and as a table that say the same', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      await world.atConsole(page, 'read');
      const card = page.locator('.card').filter({ has: page.getByRole('heading', { name: 'Sign-ins', exact: true }) });
      const sum = Number(await card.locator('.sum').innerText());
      assert.ok(sum >= 1, `${sum} sign-ins`);
      assert.match(await card.getByRole('img').getAttribute('aria-label'), new RegExp(`^Sign-ins: ${sum} by hour, from `));
      const column = (await page.locator('tbody tr td:nth-child(2)').allInnerTexts()).map(Number);
      assert.equal(column.reduce((all, one) => all + one, 0), sum);
      await send(page, '/admin', { span: 'week', site: 'reader' });
      assert.equal(path(page), '/admin?span=week&site=reader');
      assert.match(await card.getByRole('img').getAttribute('aria-label'), / by day, from /);
    });

    bothWays('sends no more mail to an address, and then again', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const email = world.freshAddress('flooded');
      await world.atConsole(page, 'support');
      await section(page, 'Mail');
      assert.match(await page.locator('main').innerText(), /Mails with codes.*waiting/s);
      await follow(page, 'Addresses without mail');
      await send(page, '/admin/mail/suppressions', { email, note: 'Their own wish' });
      await doneWith(page, /No more mail/);
      const row = page.locator('.row').filter({ hasText: 'Their own wish' }).first();
      assert.doesNotMatch(await page.content(), new RegExp(email), 'the address is told');
      await send(page, '', {}, { form: row.locator('form') });
      await doneWith(page, /sent to that address again/);
    });

    bothWays('rotates the signing key of a site, after asking', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      await world.atConsole(page, 'admin');
      await page.goto(world.at(site, '/admin/signing-keys'));
      const before = await page.locator('.row').count();
      await follow(page, 'Rotate the key of reader');
      await send(page, '/admin/signing-keys/rotate');
      await doneWith(page, /rotated/);
      assert.ok((await page.locator('.row').count()) >= before);
      assert.match(await page.locator('.rows').innerText(), /reader/);
    });

    bothWays('makes a service key and revokes it', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      await world.atConsole(page, 'admin');
      await section(page, 'Keys');
      await send(page, '/admin/keys', { name: 'Report of the night', scope: 'read' });
      const key = await page.locator('#new-key').inputValue();
      const asked = () => fetch(`${world.server.url}/admin/v1/service-keys`, { headers: { authorization: `Bearer ${key}` } });
      assert.equal((await asked()).status, 200);
      await page.goto(world.at(site, '/admin/keys'));
      assert.doesNotMatch(await page.content(), /doorcode_sk_/, 'it is shown again');
      await leads(page, () => page.getByRole('link', { name: 'Revoke Report of the night' }).first().click());
      await send(page, new URL(page.url()).pathname);
      await doneWith(page, /revoked/);
      assert.equal((await asked()).status, 401);
    });

    bothWays('offers what the scope allows and nothing more', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const email = await world.person();
      await world.atConsole(page, 'read');
      await page.goto(world.at(site, `/admin/people?email=${email}`));
      await follow(page, email);
      assert.equal(await page.locator('main form, main .danger').count(), 0);
      await section(page, 'Keys');
      assert.equal(await form(page, '/admin/keys').count(), 0);
    });
  });

  describe('the API reference', () => {
    it('tries an operation out with a pasted key', async (test) => {
      const key = await world.serviceKey('read');
      const browser = await world.browser(test);
      const { page } = browser;
      await page.goto(world.at(site, '/admin/docs#listServiceKeys'));
      const operation = page.locator('#listServiceKeys');
      await operation.getByRole('button', { name: 'Send' }).click();
      await operation.locator('.status').waitFor();
      assert.match(await operation.locator('.answer').innerText(), /^401/);
      await page.getByLabel('Service key', { exact: true }).fill(key);
      await operation.getByLabel('limit').fill('1');
      await operation.getByRole('button', { name: 'Send' }).click();
      await operation.locator('.status.good').waitFor();
      assert.match(await operation.locator('.answer').innerText(), /"scope": "/);
      assert.doesNotMatch(page.url() + (await browser.cookies()).join(), /doorcode_sk_/);
      assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
      await page.reload();
      assert.equal(await page.getByLabel('Service key', { exact: true }).inputValue(), '', 'the key is kept');
    });

    it('can be read without a script', async (test) => {
      const { page } = await world.browser(test, { script: false });
      await page.goto(world.at(site, '/admin/docs'));
      await page.locator('#revokeServiceKey summary').click();
      assert.match(await page.locator('#revokeServiceKey').innerText(), /needs the scope admin/);
      assert.equal(await page.getByRole('button', { name: 'Send' }).count(), 0, 'a button that does nothing');
      await page.goto(world.at(site, '/admin/docs/public'));
      assert.match(await page.locator('main').innerText(), /\/auth\/v1\/otp/);
    });
  });
}
