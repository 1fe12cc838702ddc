// Headless Chromium, and what a story sees of a page: its forms, what they answer, and what it complains about.

import assert from 'node:assert/strict';
import { chromium } from 'playwright-core';

// Every name under localhost is this machine, and no other name is any.
const NAMES = 'MAP *.localhost 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE *.localhost';
const ANSWERS_WITHIN_MS = 15_000;

/** Starts the browser that DOORCODE_TEST_CHROMIUM names. */
export async function launch() {
  const executablePath = process.env.DOORCODE_TEST_CHROMIUM;
  if (!executablePath) throw new Error('DOORCODE_TEST_CHROMIUM is not set: run this suite with tests/run browser');
  return chromium.launch({
    executablePath,
    chromiumSandbox: process.getuid() !== 0, // root cannot have one
    args: [`--host-resolver-rules=${NAMES}`],
  });
}

/** A browser of a person: cookies of its own, one page open. Further ones are opened with `another`. */
export class Browser {
  /** What pages complained about: mistakes in scripts, and what the content policy refused. */
  complaints = [];

  static async open(chromium, { script = true, locale = 'en-GB', dark = false, width = 1280, height = 900, scale } = {}) {
    const context = await chromium.newContext({
      javaScriptEnabled: script,
      locale,
      colorScheme: dark ? 'dark' : 'light',
      viewport: { width, height },
      deviceScaleFactor: scale,
    });
    context.setDefaultTimeout(ANSWERS_WITHIN_MS);
    const browser = new Browser();
    Object.assign(browser, { context, script });
    context.on('weberror', (error) => browser.complaints.push(String(error.error())));
    context.on('console', (message) => {
      if (/content security policy/i.test(message.text())) browser.complaints.push(message.text());
    });
    browser.page = await browser.another();
    return browser;
  }

  /** One more tab. */
  async another() {
    return this.context.newPage();
  }

  async close() {
    await this.context.close();
    assert.deepEqual(this.complaints, []);
  }

  /** Where it is and what it shows, for whoever reads about a failed test. */
  async describe() {
    const pages = this.context.pages().map(async (page) => {
      const text = await page.locator('body').innerText().catch(String);
      return `at ${page.url()}:\n${text.replace(/\n+/g, '\n').slice(0, 1500)}`;
    });
    return (await Promise.all(pages)).join('\n\n');
  }

  /** The names and values of all cookies, in one order. */
  async cookies() {
    const cookies = await this.context.cookies();
    return cookies.map(({ name, domain, value }) => `${domain} ${name}=${value}`).sort();
  }
}

/** Does something that leads to a page, and returns when that is there. */
export async function leads(page, act) {
  const loaded = page.waitForEvent('load');
  await act();
  await loaded;
}

/** The form that is sent to this path. */
export function form(page, action) {
  return page.locator(`form[action="${action}"]`);
}

/** Fills in a form and presses its button (the one with this value, where it has several). */
export async function send(page, action, fields = {}, { value, form: which = form(page, action).first() } = {}) {
  for (const [name, content] of Object.entries(fields)) {
    const field = which.locator(`[name="${name}"]:not([type="hidden"])`);
    if (typeof content === 'boolean') await field.setChecked(content);
    else if ((await field.evaluate((element) => element.tagName)) === 'SELECT') await field.selectOption(content);
    else await field.fill(content);
  }
  const button = value ? `button[value="${value}"]` : 'button[type="submit"]';
  await leads(page, () => which.locator(button).click());
}

/** What the page says happened: `error`, `success` or `info`, and the words. */
export async function notice(page) {
  const box = page.locator('.notice, .field-error').first();
  if ((await box.count()) === 0) return { kind: 'none', text: '' };
  const names = await box.getAttribute('class');
  const kind = /error/.test(names) ? 'error' : /success/.test(names) ? 'success' : 'info';
  return { kind, text: (await box.innerText()).replace(/\s+/g, ' ').trim() };
}

/** The page says that this was not done, in such words. */
export async function refusedWith(page, words) {
  const { kind, text } = await notice(page);
  assert.equal(kind, 'error', `the page says: ${text || 'nothing'}`);
  assert.match(text, words);
}

/** The page says that this was done, in such words. */
export async function doneWith(page, words) {
  const { kind, text } = await notice(page);
  assert.equal(kind, 'success', `the page says: ${text || 'nothing'}`);
  assert.match(text, words);
}

/** Path and query of the page. */
export function path(page) {
  const { pathname, search, hash } = new URL(page.url());
  return pathname + search + hash;
}
