// The code itself: typed wrongly, pasted, too old, asked for again, and asked for in another browser.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { doneWith, form, leads, path, refusedWith, send } from '../lib/chromium.js';
import { bothWays } from '../lib/world.js';

/** A code that is not this one. */
export function wrong(code, by = 1) {
  return String((Number(code) + by) % 1_000_000).padStart(6, '0');
}

export function codeStories(world) {
  describe('a code', () => {
    bothWays('typed wrongly is refused, and then the right one is taken', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const code = await world.ask(page, await world.person());
      await world.enterCode(page, wrong(code));
      await refusedWith(page, /not right/);
      assert.equal(await form(page, '/login/code').first().locator('[name="code"]').inputValue(), '');
      await world.enterCode(page, code);
      assert.equal(path(page), '/account');
    });

    bothWays('may be pasted with blanks around and inside', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const code = await world.ask(page, await world.person());
      await world.enterCode(page, ` ${code.slice(0, 3)} ${code.slice(3)}\u00a0`);
      assert.equal(path(page), '/account');
    });

    it('is sent by the page as soon as it is complete', async (test) => {
      const { page } = await world.browser(test);
      const code = await world.ask(page, await world.person());
      await leads(page, () => form(page, '/login/code').first().locator('[name="code"]').fill(code));
      assert.equal(path(page), '/account');
    });

    it('keeps its leading zero', async (test) => {
      const { page } = await world.browser(test, { script: false });
      const email = await world.person();
      let code = await world.ask(page, email);
      // One code in ten begins with a zero.
      for (let mails = 1; !code.startsWith('0'); mails += 1) {
        assert.ok(mails < 200, 'not one of 200 codes begins with a zero');
        await world.advance(60);
        await send(page, '/login/resend');
        code = await world.mailbox.nthCode(email, mails + 1);
      }
      await world.enterCode(page, code);
      assert.equal(path(page), '/account');
    });

    bothWays('that is too old is refused, and another one helps', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const email = await world.person();
      const code = await world.ask(page, email);
      await world.advance(600);
      await world.enterCode(page, code);
      await refusedWith(page, /code/);
      await page.context().clearCookies({ name: 'doorcode-sign-in' }); // as a browser does after twice the time
      await world.signIn(page, email);
      assert.equal(path(page), '/account');
    });

    bothWays('that was typed wrongly five times is dead, and another one helps', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const email = await world.person();
      const code = await world.ask(page, email);
      for (let tries = 1; tries <= 5; tries += 1) {
        await world.enterCode(page, wrong(code, tries));
        await refusedWith(page, tries < 5 ? /not right/ : /too many/);
      }
      await world.enterCode(page, code);
      await refusedWith(page, /too many/);

      await page.goto(world.at('reader', '/login'));
      await send(page, '/login/restart');
      await world.advance(60);
      await world.signIn(page, email);
      assert.equal(path(page), '/account');
    });

    bothWays('can be sent to another address instead', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const code = await world.ask(page, world.freshAddress('mistyped'));
      await send(page, '/login/restart');
      const email = await world.person();
      await send(page, '/login', { email });
      assert.match(await page.locator('main').innerText(), new RegExp(email));
      await world.enterCode(page, code);
      await refusedWith(page, /not right/);
      await world.enterCode(page, await world.mailbox.nthCode(email, 1));
      assert.equal(path(page), '/account');
    });
  });

  describe('another code', () => {
    it('is to be had after a minute, which the page counts down', async (test) => {
      const { page } = await world.browser(test);
      const email = await world.person();
      await page.clock.install();
      const old = await world.ask(page, email);
      const again = form(page, '/login/resend');
      assert.ok(await again.locator('button').isDisabled());
      const [before] = (await again.innerText()).match(/\d+/);
      await page.clock.runFor(10_000);
      const [later] = (await again.innerText()).match(/\d+/);
      assert.ok(Number(before) - Number(later) >= 10, `${before}, then ${later}`);

      await page.clock.runFor(50_000);
      assert.ok(await again.locator('button').isEnabled());
      await world.advance(60);
      await send(page, '/login/resend');
      await doneWith(page, /another email/i);
      await theNewestAloneWorks(page, email, old);
    });

    it('is refused too early, also without a script', async (test) => {
      const { page } = await world.browser(test, { script: false });
      const email = await world.person();
      const old = await world.ask(page, email);
      await send(page, '/login/resend');
      await refusedWith(page, /in (1 minute|\d+ seconds)/);

      await world.advance(60);
      await send(page, '/login/resend');
      await doneWith(page, /another email/i);
      await theNewestAloneWorks(page, email, old);
    });

    async function theNewestAloneWorks(page, email, old) {
      const code = await world.mailbox.nthCode(email, 2);
      if (code !== old) {
        await world.enterCode(page, old);
        await refusedWith(page, /not right/);
      }
      await world.enterCode(page, code);
      assert.equal(path(page), '/account');
    }
  });

  describe('a code of another browser', () => {
    bothWays('t06: is refused, and works where it was asked for', async (test, { script }) => {
      const [here, there] = [await world.browser(test, { script }), await world.browser(test, { script })];
      const email = await world.person();
      await world.ask(here.page, email);
      await world.advance(60);
      const code = await world.ask(there.page, email);
      await world.enterCode(here.page, code);
      await refusedWith(here.page, /not right/);
      await world.enterCode(there.page, code);
      assert.equal(path(there.page), '/account');
    });

    it('t06: is refused although the browser has been told how far the sign-in has come', async (test) => {
      const [here, there] = [await world.browser(test), await world.browser(test)];
      const code = await world.ask(there.page, await world.person());
      await here.page.goto(world.at('reader', '/login'));
      const stolen = (await there.context.cookies()).filter(({ name }) => name === 'doorcode-sign-in');
      assert.equal(stolen.length, 1);
      await here.context.addCookies(stolen);
      await here.page.goto(world.at('reader', '/login'));
      await world.enterCode(here.page, code);
      await refusedWith(here.page, /not right/);
    });
  });
}
