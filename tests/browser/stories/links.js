// The link in a mail: opening it does nothing, its button signs in, once.

import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { path, refusedWith, send } from '../lib/chromium.js';
import { bothWays } from '../lib/world.js';

export function linkStories(world) {
  const linkFor = async (page, email) => {
    await world.ask(page, email);
    const { text } = await world.mailbox.nth(email, 1);
    return text.match(/http:\/\/reader\.localhost:\d+\/confirm\?\S+/)[0];
  };

  describe('a mailed link', () => {
    bothWays('is not used up by opening it, signs in by its button, and then no more', async (test, { script }) => {
      const here = await world.browser(test, { script });
      const scanner = await world.browser(test, { script });
      const link = await linkFor(here.page, await world.person());
      for (let visits = 1; visits <= 3; visits += 1) {
        await scanner.page.goto(link);
        await scanner.page.reload();
      }
      await here.page.goto(link);
      const late = await here.another();
      await late.goto(link);
      await send(here.page, '/confirm');
      assert.equal(path(here.page), '/account');

      await send(scanner.page, '/confirm');
      assert.match(await scanner.page.locator('h1').innerText(), /no longer works/);
      await scanner.page.goto(world.at('reader', '/account'));
      assert.equal(new URL(scanner.page.url()).pathname, '/login');
    });

    bothWays('of a new address makes the account, and ends the code beside it', async (test, { script }) => {
      const here = await world.browser(test, { script });
      const email = world.freshAddress();
      const code = await world.ask(here.page, email);
      const phone = await world.browser(test, { script });
      const { text } = await world.mailbox.nth(email, 1);
      await phone.page.goto(text.match(/http:\/\/reader\.localhost:\d+\/confirm\?\S+/)[0]);
      await send(phone.page, '/confirm');
      assert.equal(new URL(phone.page.url()).pathname, '/welcome');

      await world.enterCode(here.page, code);
      await refusedWith(here.page, /not right/);
    });

    bothWays('that was mistyped or is too old leads to the sign-in page', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const link = await linkFor(page, await world.person());
      await page.goto(link);
      await world.advance(600);
      await send(page, '/confirm');
      assert.match(await page.locator('h1').innerText(), /no longer works/);
      await page.goto(world.at('reader', '/confirm'));
      assert.match(await page.locator('h1').innerText(), /no longer works/);
      assert.equal(await page.locator('main a[href="/login"]').count(), 1);
    });
  });
}
