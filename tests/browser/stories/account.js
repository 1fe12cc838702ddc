// The account page: what is kept about a person, where they are signed in, and their data as a file.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { doneWith, form, path, refusedWith, send } from '../lib/chromium.js';
import { bothWays } from '../lib/world.js';

export function accountStories(world) {
  const signedIn = async (test, options) => {
    const browser = await world.browser(test, options);
    const email = await world.person();
    await world.signIn(browser.page, email, { redirectTo: '/account' });
    return { browser, page: browser.page, email };
  };

  describe('the account', () => {
    bothWays('keeps profile and preferences', async (test, { script }) => {
      const { page } = await signedIn(test, { script });
      const profile = {
        display_name: 'Nguyễn Thị Ánh',
        bio: 'Đọc sách <b>mỗi</b> ngày & đêm.',
        city: 'Hà Nội',
        country: 'VN',
        timezone: 'Asia/Ho_Chi_Minh',
        website: 'https://example.org/anh?a=1&b=2',
      };
      await send(page, '/account/profile', profile);
      await doneWith(page, /saved/);
      const preferences = {
        theme: 'dark',
        profile_visibility: 'followers',
        reading_activity: 'private',
        location_sharing: true,
        new_book_alerts: false,
        social_activity: true,
      };
      await send(page, '/account/preferences', preferences);
      await doneWith(page, /saved/);

      await page.goto(world.at('reader', '/account'));
      assert.deepEqual(await values(form(page, '/account/profile'), profile), profile);
      assert.deepEqual(await values(form(page, '/account/preferences'), preferences), preferences);
    });

    bothWays('says so when another tab was faster, and overwrites nothing', async (test, { script }) => {
      const { browser, page } = await signedIn(test, { script });
      const second = await browser.another();
      await second.goto(world.at('reader', '/account'));
      await send(page, '/account/profile', { display_name: 'The first' });
      await doneWith(page, /saved/);
      await send(second, '/account/profile', { display_name: 'The second' });
      await refusedWith(second, /changed elsewhere/);
      assert.deepEqual(await values(form(second, '/account/profile'), { display_name: '' }), { display_name: 'The first' });

      await send(second, '/account/profile', { display_name: 'The second' });
      await doneWith(second, /saved/);
    });

    bothWays('points to what cannot be saved', async (test, { script }) => {
      const { page } = await signedIn(test, { script });
      const typed = { display_name: 'Ada Lovelace', website: 'ftp://example.org' };
      await send(page, '/account/profile', typed);
      await refusedWith(page, /Website/);
      assert.deepEqual(await values(form(page, '/account/profile'), typed), typed, 'what was typed is lost');
      assert.equal(await page.locator('[name="website"]').getAttribute('aria-invalid'), 'true');
    });

    bothWays('takes the language that is chosen there', async (test, { script }) => {
      const { page } = await signedIn(test, { script });
      await send(page, '/account/preferences', { language: 'vi' });
      assert.equal(await page.locator('html').getAttribute('lang'), 'vi');
      await page.goto(world.at('reader', '/account'));
      assert.equal(await page.locator('html').getAttribute('lang'), 'vi');
    });

    it('gives out everything that is kept, as a file', async (test) => {
      const { page, email } = await signedIn(test);
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.locator('a[href="/account/data"]').click(),
      ]);
      assert.match(download.suggestedFilename(), /\.json$/);
      const data = await readFile(await download.path(), 'utf8');
      assert.match(data, new RegExp(email));
      JSON.parse(data);
    });
  });

  describe('the sessions of a person', () => {
    const twice = async (test, { script }) => {
      const { page, email } = await signedIn(test, { script });
      const other = await world.browser(test, { script });
      await world.advance(60);
      await world.signIn(other.page, email, { redirectTo: '/account' });
      await page.reload();
      return { page, other: other.page, rows: page.locator('#sessions ~ ul .row') };
    };
    const isSignedOut = async (page) => {
      await page.goto(world.at('reader', '/account'));
      assert.equal(path(page), '/login?redirectTo=%2Faccount');
    };
    const isSignedIn = async (page) => {
      await page.goto(world.at('reader', '/account'));
      assert.equal(path(page), '/account');
    };

    bothWays('are listed, and one can be ended from another', async (test, { script }) => {
      const { page, other, rows } = await twice(test, { script });
      assert.equal(await rows.count(), 2);
      assert.match(await rows.first().innerText(), /Chrom/);
      await send(page, '/account/sessions/end');
      await doneWith(page, /signed out/);
      assert.equal(await rows.count(), 1);
      await isSignedOut(other);
      await isSignedIn(page);
    });

    bothWays('can be ended all but this one', async (test, { script }) => {
      const { page, other } = await twice(test, { script });
      await send(page, '/account/sessions/end-others');
      await doneWith(page, /signed out/);
      await isSignedOut(other);
      await isSignedIn(page);
    });

    bothWays('can be ended all at once', async (test, { script }) => {
      const { page, other } = await twice(test, { script });
      await send(page, '/account/sessions/end-all');
      assert.match(await page.locator('h1').innerText(), /signed out everywhere/);
      await isSignedOut(page);
      await isSignedOut(other);
    });
  });
}

/** What the fields of a form hold, for the names of `wanted`. */
async function values(form, wanted) {
  const found = {};
  for (const name of Object.keys(wanted)) {
    const field = form.locator(`[name="${name}"]`);
    found[name] = (await field.getAttribute('type')) === 'checkbox' ? await field.isChecked() : await field.inputValue();
  }
  return found;
}
