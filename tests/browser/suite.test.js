// Every story of the hosted pages, in headless Chromium, on PostgreSQL, Redis and SMTP; and one on the embedded
// set-up, which needs nothing beside it. Run it with `tests/run browser`.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe } from 'node:test';
import { Embedded, Services } from '../node/backend.js';
import { path, send } from './lib/chromium.js';
import { bothWays, World } from './lib/world.js';
import { accountStories } from './stories/account.js';
import { applicationStories } from './stories/applications.js';
import { codeStories } from './stories/codes.js';
import { consoleStories } from './stories/console.js';
import { leavingStories } from './stories/leaving.js';
import { linkStories } from './stories/links.js';
import { lookStories } from './stories/looks.js';
import { mischiefStories } from './stories/mischief.js';
import { signInStories } from './stories/sign_in.js';
import { staffStories } from './stories/staff.js';

/** Starts the world before the stories and ends it after them; shows the server's last words if one failed. */
function on(backend, stories) {
  const world = new World(backend);
  describe(`on ${backend.name}`, { timeout: 900_000 }, () => {
    let failed = false;
    before(() => world.start(), { timeout: 180_000 });
    afterEach((test) => (failed ||= test.passed === false));
    after(async () => {
      await world.stop();
      if (failed) console.log(`end of the server's log:\n${world.server?.logTail()}`);
    });
    stories(world);
  });
}

on(new Services(), (world) => {
  signInStories(world);
  codeStories(world);
  linkStories(world);
  staffStories(world);
  accountStories(world);
  leavingStories(world);
  mischiefStories(world);
  applicationStories(world);
  lookStories(world);
  consoleStories(world);
});

on(new Embedded(), (world) => {
  describe('signing in', () => {
    bothWays('makes an account, and signing out ends the session', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const email = world.freshAddress();
      await world.signIn(page, email, { redirectTo: '/account' });
      await send(page, '/welcome', { display_name: 'Ada' });
      assert.equal(path(page), '/account');
      assert.match(await page.locator('header').innerText(), new RegExp(email));
      await send(page, '/account/sign-out');
      await page.goto(world.at('reader', '/account'));
      assert.equal(new URL(page.url()).pathname, '/login');
    });
  });
});
