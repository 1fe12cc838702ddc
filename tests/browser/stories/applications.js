// What a script of the site's own pages gets for the cookie: `GET /auth/v1/session`.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { claimsOf } from '../../node/claims.js';
import { path, send } from '../lib/chromium.js';

export function applicationStories(world) {
  /** Runs a request as a script of a page at `url` would, and returns what the script sees. */
  const asPageAt = async (browser, url, to, headers = {}) => {
    const page = await browser.another();
    // An application behind the same host as ours, which this suite has none of.
    await page.route(url, (route) => route.fulfill({ contentType: 'text/html', body: '<title>App</title>' }));
    await page.goto(url);
    const seen = await page.evaluate(
      async ([to, headers]) => {
        const answer = await fetch(to, { headers, credentials: 'include' }).catch((error) => ({ error: String(error) }));
        return answer.error ? { error: answer.error } : { status: answer.status, body: await answer.json() };
      },
      [to, headers],
    );
    await page.close();
    return seen;
  };

  describe("an application's script", () => {
    for (const site of ['reader', 'management']) {
      it(`gets a token for the cookie of the ${site} site, and null without one`, async (test) => {
        const browser = await world.browser(test);
        const [app, session] = [world.at(site, '/app'), world.at(site, '/auth/v1/session')];
        assert.deepEqual(await asPageAt(browser, app, session), { status: 200, body: null });

        const email = await world.person();
        await world.signIn(browser.page, email, { site, redirectTo: '/account' });
        const { status, body } = await asPageAt(browser, app, session);
        assert.equal(status, 200);
        assert.equal(body.user.email, email);
        assert.equal(body.refresh_token, undefined, 'the page gets what outlives it');
        assert.equal(claimsOf(body.access_token).site, site);
        const user = await world.call('GET', '/auth/v1/user', { site, token: body.access_token });
        assert.equal(user.body.email, email);

        await browser.page.goto(world.at(site, '/account'));
        await send(browser.page, '/account/sign-out');
        assert.equal(new URL(browser.page.url()).pathname, '/login');
        assert.deepEqual(await asPageAt(browser, app, session), { status: 200, body: null });
      });
    }

    it('t26: of another origin gets nothing, listed or not', async (test) => {
      const browser = await world.browser(test);
      await world.signIn(browser.page, await world.person(), { redirectTo: '/account' });
      assert.equal(path(browser.page), '/account');
      const { books, foreign, sibling } = world.neighbours;
      for (const origin of [books, foreign, sibling, world.at('management', '').replace(/\/$/, '')]) {
        const { status, body, error } = await asPageAt(browser, `${origin}/app`, world.at('reader', '/auth/v1/session'));
        assert.ok(error || status === 403, `${origin} got ${status}`);
        assert.equal(body?.access_token, undefined, origin);
      }
    });
  });
}
