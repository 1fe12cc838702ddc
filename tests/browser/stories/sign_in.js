// Signing in on the reader site: the first time, again, with the keyboard alone, and out.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { doneWith, form, leads, path, refusedWith, send } from '../lib/chromium.js';
import { bothWays } from '../lib/world.js';

export function signInStories(world) {
  describe('signing in', () => {
    bothWays('somebody new makes an account and says who they are', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const email = world.freshAddress();
      await world.signIn(page, email, { redirectTo: '/account' });
      assert.equal(new URL(page.url()).pathname, '/welcome');

      await send(page, '/welcome', { display_name: 'Ada Lovelace', bio: 'I read.\nA lot.', city: 'London' });
      assert.equal(path(page), '/account');
      const profile = form(page, '/account/profile');
      assert.equal(await profile.locator('[name="display_name"]').inputValue(), 'Ada Lovelace');
      assert.equal(await profile.locator('[name="bio"]').inputValue(), 'I read.\nA lot.');
      assert.equal(await profile.locator('[name="city"]').inputValue(), 'London');
      assert.match(await page.locator('header').innerText(), new RegExp(email));
    });

    bothWays('somebody new may say nothing about themselves', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const email = world.freshAddress();
      await world.signIn(page, email, { redirectTo: `${world.neighbours.books}/shelf?page=2` });
      assert.equal(new URL(page.url()).pathname, '/welcome');
      await send(page, '/welcome/skip');
      assert.equal(page.url(), `${world.neighbours.books}/shelf?page=2`);

      await page.goto(world.at('reader', '/account'));
      const name = form(page, '/account/profile').locator('[name="display_name"]');
      assert.equal(await name.inputValue(), email.split('@')[0]);
    });

    bothWays('somebody known goes straight to where they wanted to go', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      await world.signIn(page, await world.person(), { redirectTo: `${world.neighbours.books}/shelf?page=2` });
      assert.equal(page.url(), `${world.neighbours.books}/shelf?page=2`);

      await page.goto(world.at('reader', '/login?redirectTo=/account%23sessions'));
      assert.equal(path(page), '/account#sessions', 'who is signed in is not asked again');
    });

    bothWays('a page of the account asks to sign in first, and is shown afterwards', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      const email = await world.person();
      await page.goto(world.at('reader', '/account'));
      assert.equal(path(page), '/login?redirectTo=%2Faccount');
      await send(page, '/login', { email });
      await world.enterCode(page, await world.mailbox.nthCode(email, 1));
      assert.equal(path(page), '/account');
    });

    bothWays('signing out here ends the session', async (test, { script }) => {
      const browser = await world.browser(test, { script });
      const { page } = browser;
      await world.signIn(page, await world.person());
      const signedIn = await browser.context.cookies();
      await send(page, '/account/sign-out');
      await doneWith(page, /signed out/);

      await page.goto(world.at('reader', '/account'));
      assert.equal(new URL(page.url()).pathname, '/login');
      await browser.context.addCookies(signedIn);
      await page.goto(world.at('reader', '/account'));
      assert.equal(new URL(page.url()).pathname, '/login', 'the cookie is worth nothing any more');
    });

    bothWays('an address that cannot be one is pointed out, and stays to be corrected', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      await page.goto(world.at('reader', '/login'));
      // The browser's own check lets this pass.
      await send(page, '/login', { email: 'ada@example' });
      await refusedWith(page, /full email address/);
      const field = form(page, '/login').locator('[name="email"]');
      assert.equal(await field.inputValue(), 'ada@example');
      assert.equal(await field.getAttribute('aria-invalid'), 'true');
    });

    it('works with the keyboard alone, and the first field has the focus in sight', async (test) => {
      const { page } = await world.browser(test);
      const email = await world.person();
      await page.goto(world.at('reader', '/login'));
      assert.equal(await focused(page), 'email');
      assert.ok(await focusIsVisible(page), 'nothing shows where the focus is');
      await page.keyboard.type(email);
      await page.keyboard.press('Tab');
      assert.equal(await focused(page), 'submit');
      assert.ok(await focusIsVisible(page));
      await leads(page, () => page.keyboard.press('Enter'));

      assert.equal(await focused(page), 'code');
      assert.ok(await focusIsVisible(page));
      const code = await world.mailbox.nthCode(email, 1);
      await leads(page, () => page.keyboard.type(code)); // the sixth digit sends the form
      assert.equal(path(page), '/account');

      // The first stop on a page leads past its header.
      await page.keyboard.press('Tab');
      assert.equal(await page.evaluate(() => document.activeElement.getAttribute('href')), '#main');
      assert.ok(await focusIsVisible(page));
    });
  });

  describe('the language', () => {
    bothWays('a browser in Vietnamese gets pages and mails in Vietnamese', async (test, { script }) => {
      const { page } = await world.browser(test, { script, locale: 'vi-VN' });
      const email = world.freshAddress();
      await world.signIn(page, email);
      assert.equal(await language(page), 'vi');
      const { text } = await world.mailbox.nth(email, 1);
      assert.match(text, /mã/, 'the mail is in Vietnamese');
    });

    bothWays('what is chosen below a page is kept, and goes to the account', async (test, { script }) => {
      const { page } = await world.browser(test, { script });
      await page.goto(world.at('reader', '/login?redirectTo=/account'));
      assert.equal(await language(page), 'en');
      await send(page, '/language', {}, { value: 'vi' });
      assert.equal(path(page), '/login?redirectTo=/account');
      assert.equal(await language(page), 'vi');
      await page.goto(world.at('reader', '/login'));
      assert.equal(await language(page), 'vi', 'it is forgotten on the next page');

      const email = world.freshAddress();
      await world.signIn(page, email);
      assert.equal(await language(page), 'vi');

      const elsewhere = await world.browser(test, { script });
      await world.advance(60);
      await world.signIn(elsewhere.page, email, { redirectTo: '/account' });
      assert.equal(await language(elsewhere.page), 'vi', 'the account does not know it');
      await send(elsewhere.page, '/language', {}, { value: 'en' });
      assert.equal(path(elsewhere.page), '/account');
      assert.equal(await language(elsewhere.page), 'en');
    });
  });
}

function language(page) {
  return page.locator('html').getAttribute('lang');
}

/** The name of the field, or the type of the button, that has the focus. */
function focused(page) {
  return page.evaluate(() => document.activeElement.name || document.activeElement.type);
}

/** Whether the focus shows: a ring, or a shadow that is not there otherwise. */
function focusIsVisible(page) {
  return page.evaluate(() => {
    const element = document.activeElement;
    const look = () => {
      const { outlineStyle, outlineWidth, boxShadow, borderColor } = getComputedStyle(element);
      return outlineStyle !== 'none' && outlineWidth !== '0px' ? 'ring' : boxShadow + borderColor;
    };
    const withFocus = look();
    element.blur();
    const without = look();
    element.focus({ focusVisible: true });
    return withFocus !== without;
  });
}
