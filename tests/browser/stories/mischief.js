// What other people's pages try: to sign somebody in or out, to lead them away, to read what is theirs.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { form, path, send } from '../lib/chromium.js';

export function mischiefStories(world) {
  describe('a page of somebody else', () => {
    // The attacker has a code and a form of their own, and wants the victim to be signed in as them.
    const attack = async (test, page) => {
      const attacker = await world.browser(test);
      const email = await world.person('attacker');
      const code = await world.ask(attacker.page, email);
      const _token = await form(attacker.page, '/login/code').first().locator('[name="_token"]').inputValue();
      return {
        email,
        attacker,
        tries: [
          ['/login', { email, _token }],
          ['/login/code', { code, _token }],
          ['/login/resend', { _token }],
          ['/account/sign-out', { _token }],
          ['/account/sessions/end-all', { _token }],
          ['/language', { language: 'vi', _token }],
        ],
        code,
      };
    };

    /** Opens the page and presses its button. Returns the status of the answer. */
    const press = async (page, origin, action, fields) => {
      const query = new URLSearchParams({ action, ...fields });
      await page.goto(`${origin}/form?${query}`);
      const answered = page.waitForResponse((response) => response.url() === action);
      const loaded = page.waitForEvent('load');
      await page.locator('button').click();
      const answer = await answered;
      await loaded;
      return answer.status();
    };

    for (const where of ['foreign', 'sibling']) {
      it(`t07, t26: of a ${where} host cannot send our forms`, async (test) => {
        const victim = await world.browser(test);
        const email = await world.person('victim');
        await world.signIn(victim.page, email, { redirectTo: '/account' });
        const { tries, attacker, code } = await attack(test);
        const jar = await victim.cookies();
        for (const [to, fields] of tries) {
          const status = await press(victim.page, world.neighbours[where], world.at('reader', to), fields);
          assert.equal(status, 403, to);
          assert.deepEqual(await victim.cookies(), jar, to);
        }
        await victim.page.goto(world.at('reader', '/account'));
        assert.match(await victim.page.locator('header').innerText(), new RegExp(email));
        await world.enterCode(attacker.page, code);
        assert.equal(path(attacker.page), '/account', 'the code was no good, so that nothing was tried');
      });

      it(`t07, t26: of a ${where} host cannot sign in somebody who is signed out`, async (test) => {
        const victim = await world.browser(test);
        await victim.page.goto(world.at('reader', '/login'));
        const { tries } = await attack(test);
        const jar = await victim.cookies();
        for (const [to, fields] of tries) {
          const status = await press(victim.page, world.neighbours[where], world.at('reader', to), fields);
          assert.equal(status, 403, to);
          assert.deepEqual(await victim.cookies(), jar, to);
        }
      });
    }

    it('t26: nor can a page of the other site', async (test) => {
      const victim = await world.browser(test);
      const email = await world.person('victim');
      await world.signIn(victim.page, email, { redirectTo: '/account' });
      // As if the management site had a hole: its origin, its page, our form.
      const from = world.at('management', '/prize');
      const action = world.at('reader', '/account/sign-out');
      await victim.context.route(from, (route) =>
        route.fulfill({ contentType: 'text/html', body: `<form method="post" action="${action}"><button>Go</button></form>` }),
      );
      await victim.page.goto(from);
      const answered = victim.page.waitForResponse(action);
      await victim.page.locator('button').click();
      // Host and origin name two sites: that is refused before the form is looked at.
      assert.equal((await answered).status(), 400);
      await victim.page.goto(world.at('reader', '/account'));
      assert.equal(path(victim.page), '/account');
    });

    it('t26: a form of ours without its proof, or with the proof of another browser, is refused', async (test) => {
      const victim = await world.browser(test);
      await world.signIn(victim.page, await world.person('victim'), { redirectTo: '/account' });
      const { attacker } = await attack(test);
      const stolen = await form(attacker.page, '/login/code').first().locator('[name="_token"]').inputValue();
      for (const proof of ['', 'x', stolen]) {
        await victim.page.goto(world.at('reader', '/account'));
        const which = form(victim.page, '/account/sign-out');
        await which.locator('[name="_token"]').evaluate((field, value) => (field.value = value), proof);
        const answered = victim.page.waitForResponse(world.at('reader', '/account/sign-out'));
        await send(victim.page, '', {}, { form: which });
        assert.equal((await answered).status(), 403);
      }
      await victim.page.goto(world.at('reader', '/account'));
      assert.equal(path(victim.page), '/account');
    });

    it('t42: cannot show ours in a frame', async (test) => {
      const victim = await world.browser(test);
      const to = world.at('reader', '/login');
      await victim.context.route(`${world.neighbours.foreign}/frame`, (route) =>
        route.fulfill({ contentType: 'text/html', body: `<iframe src="${to}"></iframe>` }),
      );
      await victim.page.goto(`${world.neighbours.foreign}/frame`);
      const frame = victim.page.frames().find((other) => other !== victim.page.mainFrame());
      assert.equal(frame.url(), 'chrome-error://chromewebdata/');
      assert.equal(await frame.locator('form').count(), 0);
      victim.complaints.length = 0; // that its policy forbids it
    });
  });

  describe('redirectTo', () => {
    const tricks = () => [
      'https://evil.example/',
      '//evil.example',
      '/\\evil.example',
      '\\\\evil.example',
      '/\t/evil.example',
      '/.//evil.example',
      'javascript:alert(1)',
      'data:text/html,<script>alert(1)</script>',
      world.neighbours.foreign,
      world.neighbours.sibling,
      `${world.neighbours.books}@evil.example/`,
      `${world.neighbours.books}.evil.example/`,
      world.neighbours.books.replace('http:', 'https:'),
      world.neighbours.desk,
      `http://user@${new URL(world.neighbours.books).host}/`,
    ];

    it('t42: leads nowhere but to the site and its applications', async (test) => {
      const { page } = await world.browser(test);
      await world.signIn(page, await world.person(), { redirectTo: '//evil.example' });
      assert.equal(page.url(), world.at('reader', '/account'));
      for (const trick of tricks()) {
        await page.goto(world.at('reader', `/login?redirectTo=${encodeURIComponent(trick)}`));
        assert.equal(page.url(), world.at('reader', '/account'), trick);
      }
      await page.goto(world.at('reader', `/login?redirectTo=${encodeURIComponent(`${world.neighbours.books}/x`)}`));
      assert.equal(page.url(), `${world.neighbours.books}/x`);
    });

    it('t42: leads nowhere else from the forms either', async (test) => {
      const { page } = await world.browser(test);
      const spoil = async (action, name, value) => {
        const field = form(page, action).locator(`[name="${name}"]`);
        await field.evaluate((element, text) => (element.value = text), value);
      };
      const email = world.freshAddress();
      await page.goto(world.at('reader', '/login'));
      await spoil('/login', 'redirectTo', world.neighbours.foreign);
      await spoil('/language', 'back', '//evil.example');
      await send(page, '/language', {}, { value: 'en' });
      assert.equal(new URL(page.url()).origin, world.at('reader', ''));
      await page.goto(world.at('reader', '/login'));
      await spoil('/login', 'redirectTo', world.neighbours.foreign);
      await send(page, '/login', { email });
      await world.enterCode(page, await world.mailbox.nthCode(email, 1));
      assert.equal(new URL(page.url()).pathname, '/welcome');
      for (const action of ['/welcome', '/welcome/skip']) {
        await page.goto(world.at('reader', `/welcome?redirectTo=${encodeURIComponent(world.neighbours.foreign)}`));
        await spoil(action, 'redirectTo', world.neighbours.foreign);
        await send(page, action);
        assert.equal(page.url(), world.at('reader', '/account'), action);
      }
    });
  });

  describe('the cookies', () => {
    it('t25: are out of reach for scripts and other sites, and are new after signing in', async (test) => {
      const { page, context } = await world.browser(test);
      const named = async () => Object.fromEntries((await context.cookies()).map((cookie) => [cookie.name, cookie]));
      const code = await world.ask(page, await world.person());
      const before = await named();
      assert.deepEqual(Object.keys(before).sort(), ['doorcode-browser', 'doorcode-sign-in']);
      await world.enterCode(page, code);
      const after = await named();
      assert.deepEqual(Object.keys(after).sort(), ['doorcode-browser', 'doorcode-device', 'doorcode-session']);
      assert.notEqual(after['doorcode-browser'].value, before['doorcode-browser'].value);
      for (const cookie of [...Object.values(before), ...Object.values(after)]) {
        assert.deepEqual(
          { httpOnly: cookie.httpOnly, sameSite: cookie.sameSite, path: cookie.path, domain: cookie.domain },
          { httpOnly: true, sameSite: 'Lax', path: '/', domain: 'reader.localhost' },
          cookie.name,
        );
      }
      assert.equal(await page.evaluate(() => document.cookie), '');
    });

    it('t25: of the management site are strict, and end with the browser', async (test) => {
      const { page, context } = await world.browser(test);
      await world.signIn(page, await world.person(), { site: 'management' });
      const cookies = await context.cookies(world.at('management'));
      const session = cookies.find(({ name }) => name === 'doorcode-session');
      assert.deepEqual([session.sameSite, session.expires], ['Strict', -1]);
      assert.deepEqual(new Set(cookies.map(({ sameSite }) => sameSite)), new Set(['Strict']));
    });

    it('t25: planted before signing in name no session', async (test) => {
      const victim = await world.browser(test);
      const attacker = await world.browser(test);
      await world.signIn(attacker.page, await world.person('attacker'), { redirectTo: '/account' });
      const theirs = (await attacker.context.cookies()).find(({ name }) => name === 'doorcode-session');
      await victim.context.addCookies([theirs]);
      await victim.page.goto(world.at('reader', '/account'));
      await send(victim.page, '/account/sign-out');
      const email = await world.person('victim');
      await world.signIn(victim.page, email, { redirectTo: '/account' });
      const own = (await victim.context.cookies()).find(({ name }) => name === 'doorcode-session');
      assert.notEqual(own.value, theirs.value);
      await attacker.page.goto(world.at('reader', '/account'));
      assert.equal(new URL(attacker.page.url()).pathname, '/login');
    });
  });
}
