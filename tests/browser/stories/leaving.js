// Another address for an account, with codes to both; and the end of an account, with a code.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { doneWith, form, leads, path, refusedWith, send } from '../lib/chromium.js';
import { bothWays } from '../lib/world.js';
import { wrong } from './codes.js';

export function leavingStories(world) {
  const signedIn = async (test, options) => {
    const browser = await world.browser(test, options);
    const email = await world.person();
    await world.signIn(browser.page, email, { redirectTo: '/account' });
    return { page: browser.page, email };
  };
  const half = (page, which) => form(page, '/account/email/confirm').filter({ has: page.locator(`input[value="${which}"]`) }).first();
  const prove = (page, which, code) => send(page, '', { code }, { form: half(page, which) });

  describe('the address of an account', () => {
    bothWays('changes with a code from the old and a code from the new one', async (test, { script }) => {
      const { page, email } = await signedIn(test, { script });
      const next = world.freshAddress('countess');
      await send(page, '/account/email', { email: next });
      assert.equal(path(page), '/account/email');
      const [old, fresh] = [await world.mailbox.nthCode(email, 2), await world.mailbox.nthCode(next, 1)];

      await prove(page, 'new', wrong(fresh));
      await refusedWith(page, /not right/);
      await prove(page, 'new', fresh);
      await doneWith(page, /confirmed/);
      await page.goto(world.at('reader', '/account'));
      assert.match(await page.locator('header').innerText(), new RegExp(email), 'half is enough');
      await leads(page, () => page.locator('main a[href="/account/email"]').click());
      await prove(page, 'current', old);
      assert.equal(new URL(page.url()).pathname, '/account');
      await doneWith(page, /changed/);
      assert.match(await page.locator('header').innerText(), new RegExp(next));

      await send(page, '/account/sign-out');
      await world.advance(60);
      await world.signIn(page, next, { redirectTo: '/account' });
      assert.equal(path(page), '/account', 'it is not the same account');
    });

    bothWays('stays when the change is called off', async (test, { script }) => {
      const { page, email } = await signedIn(test, { script });
      const next = world.freshAddress('countess');
      await send(page, '/account/email', { email: next });
      const fresh = await world.mailbox.nthCode(next, 1);
      await prove(page, 'new', fresh);
      await send(page, '/account/email/cancel');
      await doneWith(page, /stays/);
      await page.goto(world.at('reader', '/account'));
      assert.match(await page.locator('header').innerText(), new RegExp(email));
      assert.equal(await page.locator('main a[href="/account/email"]').count(), 0);
    });
  });

  describe('an account', () => {
    bothWays('is deleted with a code, and everywhere', async (test, { script }) => {
      const { page, email } = await signedIn(test, { script });
      const elsewhere = await world.browser(test, { script });
      await world.advance(60);
      await world.signIn(elsewhere.page, email, { redirectTo: '/account' });

      await leads(page, () => page.locator('main a[href="/account/delete"]').click());
      await send(page, '/account/delete/code');
      const code = await world.mailbox.nthCode(email, 3);
      await send(page, '/account/delete', { code: wrong(code) });
      await refusedWith(page, /not right/);
      await send(page, '/account/delete', { code });
      assert.match(await page.locator('h1').innerText(), /deleted/);

      for (const gone of [page, elsewhere.page]) {
        await gone.goto(world.at('reader', '/account'));
        assert.equal(new URL(gone.url()).pathname, '/login');
      }
      const { rows } = await world.backend.sql.query('select count(*)::int as left from auth.users where email = $1', [email]);
      assert.equal(rows[0].left, 0);
    });

    bothWays('is kept by who thinks better of it', async (test, { script }) => {
      const { page, email } = await signedIn(test, { script });
      await page.goto(world.at('reader', '/account/delete'));
      await leads(page, () => page.locator('main a[href="/account"]').click());
      assert.match(await page.locator('header').innerText(), new RegExp(email));
    });
  });
}
