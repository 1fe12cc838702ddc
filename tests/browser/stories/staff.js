// The management site: which library, asking for access, deciding about it, and invitations.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { doneWith, form, leads, path, refusedWith, send } from '../lib/chromium.js';
import { bothWays } from '../lib/world.js';

const site = 'management';

export function staffStories(world) {
  describe('staff', () => {
    bothWays('who work at one library come straight to it', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const code = await world.library('North');
      await world.signIn(page, await world.staff('librarian', code), { site });
      assert.equal(page.url(), `${world.neighbours.desk}/${code}`);
    });

    bothWays('who work at several choose one', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const codes = [await world.library('North'), await world.library('South')];
      await world.signIn(page, await world.staff('manager', ...codes), { site });
      assert.equal(path(page), '/libraries');
      const links = page.locator('main a').filter({ hasText: /North|South/ });
      assert.equal(await links.count(), 2);
      await leads(page, () => links.filter({ hasText: 'South' }).click());
      assert.equal(page.url(), `${world.neighbours.desk}/${codes[1]}`);
    });

    bothWays('who work nowhere ask for access, an owner gives it, and they are in', async (test, { script }) => {
      const [newcomer, boss] = [await world.browser(test, { script }), await world.browser(test, { script })];
      const code = await world.library('North');
      const email = await world.person('newcomer');
      await world.signIn(newcomer.page, email, { site });
      assert.equal(path(newcomer.page), '/request-access');
      await send(newcomer.page, '/request-access', { library: 'nowhere-at-all' });
      await refusedWith(newcomer.page, /no library with that code/);
      await send(newcomer.page, '/request-access', { library: code.toUpperCase(), message: 'I start on Monday.' });
      await doneWith(newcomer.page, /sent/);
      await send(newcomer.page, '/request-access', { library: code });
      await refusedWith(newcomer.page, /already/);

      await world.signIn(boss.page, await world.staff('owner', code), { site, redirectTo: '/access-requests' });
      const requests = await boss.page.locator('main').innerText();
      assert.match(requests, new RegExp(email));
      assert.match(requests, /I start on Monday\./);
      await send(boss.page, '/access-requests/decide', { role: 'volunteer', note: 'Welcome!' }, { value: 'approve' });
      await doneWith(boss.page, /approved/i);

      await newcomer.page.goto(world.at(site, '/libraries'));
      assert.equal(newcomer.page.url(), `${world.neighbours.desk}/${code}`);
      await newcomer.page.goto(world.at(site, '/account'));
      assert.match(await newcomer.page.locator('main').innerText(), /North.*Volunteer/s);
    });

    bothWays('a request can be declined or withdrawn, once', async (test, { script }) => {
      const [newcomer, boss] = [await world.browser(test, { script }), await world.browser(test, { script })];
      const [north, south] = [await world.library('North'), await world.library('South')];
      await world.signIn(newcomer.page, await world.person(), { site });
      await send(newcomer.page, '/request-access', { library: north });
      await send(newcomer.page, '/request-access', { library: south });
      const rows = newcomer.page.locator('.row');
      const withdraw = (name) => rows.filter({ hasText: name }).locator('form[action="/request-access/withdraw"]');

      await world.signIn(boss.page, await world.staff('owner', north, south), { site, redirectTo: '/access-requests' });
      const cards = boss.page.locator('main article');
      const decide = (name) => cards.filter({ hasText: name }).locator('form[action="/access-requests/decide"]');
      await send(boss.page, '', { note: 'Not this year.' }, { value: 'decline', form: decide('North') });
      await doneWith(boss.page, /declined/i);

      // This page was made before the decision, the owner's before what happens here.
      await send(newcomer.page, '', {}, { form: withdraw('South') });
      await doneWith(newcomer.page, /withdrawn/);
      await send(boss.page, '', {}, { value: 'approve', form: decide('South') });
      await refusedWith(boss.page, /already/);
      await newcomer.page.goto(world.at(site, '/request-access'));
      const text = await newcomer.page.locator('main').innerText();
      assert.match(text, /Not this year\./);
      assert.equal(await form(newcomer.page, '/request-access/withdraw').count(), 0);
    });

    bothWays('an address that nobody knows looks the same, and gets in nowhere', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const email = world.freshAddress('stranger');
      await page.goto(world.at(site, '/login'));
      await send(page, '/login', { email });
      assert.equal(await form(page, '/login/code').first().isVisible(), true);
      await world.mailbox.nth(email, 1);
      await world.enterCode(page, '123456');
      await refusedWith(page, /not right/);
    });

    it('t25: a link from elsewhere finds them signed in, although the cookie is strict', async (test) => {
      const { page } = await world.browser(test);
      const code = await world.library('North');
      await world.signIn(page, await world.staff('librarian', code), { site });
      const to = world.at(site, '/account');
      await page.goto(`${world.neighbours.foreign}/link?to=${encodeURIComponent(to)}`);
      await page.locator('a').click();
      await page.waitForURL(to);
      await form(page, '/account/profile').waitFor();
    });
  });

  describe('an invitation', () => {
    bothWays('is accepted by whom it is for, after signing in', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const code = await world.library('North');
      const email = await world.person('invited');
      const link = await world.invite(await world.staff('owner', code), code, email);
      await page.goto(world.at(site, link));
      assert.doesNotMatch(await page.locator('main').innerText(), /North/, 'shown to whoever has the link');
      await leads(page, () => page.locator('main a[href^="/login"]').click());
      await send(page, '/login', { email });
      await world.enterCode(page, await world.mailbox.nthCode(email, 2));
      assert.equal(path(page), link);
      assert.match(await page.locator('main').innerText(), /North.*librarian.*We would love to have you/s);
      await send(page, `${link}/accept`);
      await doneWith(page, /welcome/i);
      await page.goto(world.at(site, '/libraries'));
      assert.equal(page.url(), `${world.neighbours.desk}/${code}`);

      await page.goto(world.at(site, link));
      assert.equal(await form(page, `${link}/accept`).count(), 0, 'it can be accepted again');
    });

    bothWays('can be declined', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const code = await world.library('North');
      const email = await world.person('invited');
      const link = await world.invite(await world.staff('owner', code), code, email);
      await page.goto(world.at(site, link));
      await leads(page, () => page.locator('main a[href^="/login"]').click());
      await send(page, '/login', { email });
      await world.enterCode(page, await world.mailbox.nthCode(email, 2));
      await send(page, `${link}/decline`);
      assert.match(await page.locator('main').innerText(), /declined/);
      await page.goto(world.at(site, '/libraries'));
      assert.equal(path(page), '/request-access', 'the library is theirs all the same');
    });

    bothWays('is not for somebody with another address', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const code = await world.library('North');
      const email = await world.person('invited');
      const link = await world.invite(await world.staff('owner', code), code, email);
      const other = await world.person('other');
      await world.signIn(page, other, { site });
      await page.goto(world.at(site, link));
      const text = await page.locator('main').innerText();
      assert.match(text, new RegExp(other));
      assert.doesNotMatch(text, new RegExp(email), 'the invited address is told');
      assert.equal(await form(page, `${link}/accept`).count(), 0);
      await page.goto(world.at(site, '/libraries'));
      assert.equal(path(page), '/request-access');
    });
  });
}
