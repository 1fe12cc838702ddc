// Every page in the states that people see, one after the other: for what must hold of all of them, and for pictures.

import { form, leads, send } from './chromium.js';

const WRONG = '000000';

/**
 * Walks through all pages. At each, `look(name, page)` is called; it may change the window, not the page.
 * `open` makes a browser.
 */
export async function walk(world, open, look) {
  await signingIn(world, open, look);
  await ownAccount(world, open, look);
  await atLibraries(world, open, look);
  await failures(world, open, look);
  await consoleAtWork(world, open, look);
}

async function signingIn(world, open, look) {
  const { page } = await open();
  const email = world.freshAddress('ada.byron');
  await page.goto(world.at('reader', '/login'));
  await look('login', page);
  await send(page, '/login', { email: 'ada@example' });
  await look('login-error', page);
  await send(page, '/login', { email });
  await look('code', page);
  let code = await world.mailbox.nthCode(email, 1);
  if (code === WRONG) code = await again(world, page, email);
  await world.enterCode(page, WRONG);
  await look('code-error', page);
  const link = (await world.mailbox.nth(email, 1)).text.match(/http:\/\/reader\.localhost:\d+\/confirm\?\S+/)[0];
  const { page: phone } = await open();
  await phone.goto(link);
  await look('confirm', phone);
  await world.enterCode(page, code);
  await look('welcome', page);
  await send(page, '/welcome', { display_name: 'x'.repeat(40), bio: '\u0007' }).catch(() => undefined);
  await look('welcome-error', page);
  await send(phone, '/confirm');
  await look('confirm-failed', phone);
  await phone.goto(link.replace('/confirm?', '/not-me?').replace('token_hash=', 'token='));
  await look('not-me', phone);
  await send(phone, '/not-me');
  await look('not-me-over', phone);
  await page.goto(world.at('reader', '/account'));
  await send(page, '/account/sign-out');
  await look('login-signed-out', page);

  await page.goto(world.at('management', '/login'));
  await look('login-management', page);
}

async function again(world, page, email) {
  await world.advance(60);
  await send(page, '/login/resend');
  return world.mailbox.nthCode(email, 2);
}

async function ownAccount(world, open, look) {
  const { page } = await open();
  const email = await world.person('ada.lovelace');
  await world.signIn(page, email, { redirectTo: '/account' });
  await look('account-new', page);
  const other = await open();
  await world.advance(60);
  await world.signIn(other.page, email, { redirectTo: '/account' });
  await send(page, '/account/profile', {
    display_name: 'Ada Lovelace',
    bio: 'Mathematician, and a reader of everything that is about machines.',
    city: 'London',
    country: 'United Kingdom',
    timezone: 'Europe/London',
    website: 'https://example.org/ada',
  });
  await look('account', page);
  await send(other.page, '/account/profile', { display_name: 'Somebody else' });
  await look('account-stale', other.page);
  await send(page, '/account/profile', { website: 'ftp://example.org' });
  await look('account-error', page);
  await page.goto(world.at('reader', '/account'));
  await send(page, '/account/email', { email });
  await look('account-same-address', page);
  const next = world.freshAddress('countess');
  await send(page, '/account/email', { email: next });
  await look('email-change', page);
  const half = form(page, '/account/email/confirm').filter({ has: page.locator('input[value="new"]') }).first();
  await send(page, '', { code: WRONG }, { form: half });
  await look('email-change-error', page);
  await send(page, '', { code: await world.mailbox.nthCode(next, 1) }, { form: half });
  await look('email-change-half', page);
  await page.goto(world.at('reader', '/account'));
  await look('account-email-change', page);
  await page.goto(world.at('reader', '/account/delete'));
  await look('delete', page);
  await world.advance(60);
  await send(page, '/account/delete/code');
  await look('delete-code', page);
  await send(page, '/account/delete', { code: WRONG });
  await look('delete-error', page);
  await page.goto(world.at('reader', '/account'));
  await send(page, '/account/sessions/end-all');
  await look('goodbye', page);
  await world.advance(60);
  const before = await world.mailbox.count(email);
  await world.signIn(page, email, { redirectTo: '/account/delete' });
  await world.advance(60);
  await send(page, '/account/delete/code');
  await send(page, '/account/delete', { code: await world.mailbox.nthCode(email, before + 2) });
  await look('goodbye-deleted', page);

  const anh = await open({ locale: 'vi-VN' });
  const address = await world.person('anh', { locale: 'vi', displayName: 'Nguyễn Thị Ánh' });
  await world.signIn(anh.page, address, { redirectTo: '/account' });
  await look('account-vi', anh.page);
}

async function atLibraries(world, open, look) {
  const site = 'management';
  const north = await world.library('Central Library');
  const south = await world.library('Riverside Reading Room');
  const owner = await world.staff('owner', north, south);
  const newcomer = await world.person('grace.hopper', { displayName: 'Grace Hopper' });

  const { page } = await open();
  await world.signIn(page, newcomer, { site });
  await look('request-access', page);
  await send(page, '/request-access', { library: 'nowhere', message: 'I start on Monday.' });
  await look('request-access-error', page);
  await send(page, '/request-access', { library: north, message: 'I start on Monday, in the children’s room.' });
  await look('request-access-sent', page);
  await page.goto(world.at(site, '/libraries?stay'));
  await look('libraries-none', page);

  const boss = await open();
  await world.signIn(boss.page, owner, { site });
  await look('libraries', boss.page);
  await boss.page.goto(world.at(site, '/access-requests'));
  await look('access-requests', boss.page);
  await send(boss.page, '/access-requests/decide', { note: 'See you then!' }, { value: 'approve' });
  await look('access-requests-none', boss.page);
  await page.goto(world.at(site, '/request-access'));
  await look('request-access-answered', page);
  await boss.page.goto(world.at(site, '/account'));
  await look('account-staff', boss.page);

  await world.advance(60);
  const invited = await world.person('melvil.dewey');
  const link = await world.invite(owner, south, invited, 'manager');
  const guest = await open();
  await guest.page.goto(world.at(site, link));
  await look('invitation-signed-out', guest.page);
  await page.goto(world.at(site, link));
  await look('invitation-other-address', page);
  await world.signIn(guest.page, invited, { site, redirectTo: link });
  await look('invitation', guest.page);
  await send(guest.page, `${link}/decline`);
  await look('invitation-over', guest.page);
}

/** The console alone, for those who work on it. */
export async function consoleAtWork(world, open, look) {
  const site = 'management';
  const at = (page, path) => page.goto(world.at(site, path));
  const code = await world.library('Harbour Library');
  const owner = await world.staff('owner', code);
  await world.busyDay();
  const { page: visitor } = await open();
  const newcomer = await world.person('katherine.johnson', { displayName: 'Katherine Johnson' });
  await world.signIn(visitor, newcomer, { site });
  await send(visitor, '/request-access', { library: code, message: 'I take over the children’s room in spring.' });
  const { page: reader } = await open();
  await world.advance(60);
  await world.signIn(reader, owner);

  const { page } = await open();
  await at(page, '/admin/sign-in');
  await look('console-sign-in', page);
  await send(page, '/admin/sign-in', { key: 'doorcode_sk_wrong' });
  await look('console-sign-in-error', page);
  await world.atConsole(page, 'admin');
  await look('console-overview', page);
  await at(page, '/admin/people');
  await look('console-people', page);
  await at(page, `/admin/people?email=${owner}`);
  await leads(page, () => page.locator('.rows a').first().click());
  await look('console-person', page);
  await leads(page, () => page.getByRole('link', { name: 'Ban the account' }).click());
  await look('console-ask', page);
  await at(page, '/admin/access-requests');
  await look('console-requests', page);
  await leads(page, () => page.locator('.row .button').first().click());
  await look('console-request', page);
  await at(page, '/admin/libraries');
  await look('console-libraries', page);
  const make = page.locator('form[action="/admin/libraries"][method="post"]');
  await send(page, '', { name: 'Harbour Library', code: 'Not a code' }, { form: make });
  await look('console-libraries-error', page);
  await at(page, '/admin/libraries?name=harbour');
  await leads(page, () => page.locator('.rows a').first().click());
  await look('console-library', page);
  await at(page, '/admin/keys');
  await look('console-keys', page);
  await send(page, '/admin/keys', { name: 'Nightly report', scope: 'read', ends_on: '2030-12-31' });
  await look('console-keys-made', page);
  await at(page, '/admin/mail');
  await look('console-mail', page);
  await at(page, '/admin/mail/suppressions');
  await send(page, '/admin/mail/suppressions', { email: 'flooded@example.org', note: 'Their own wish' });
  await look('console-suppressions', page);
  await at(page, '/admin/signing-keys');
  await look('console-signing-keys', page);
  await at(page, '/admin/audit-log');
  await look('console-audit', page);
  await at(page, '/admin/audit-log?action=nothing_of_the_kind');
  await look('console-audit-error', page);
  await at(page, '/admin?span=week');
  await look('console-overview-week', page);
  await at(page, '/admin/docs#createServiceKey');
  await look('console-reference', page);
  await at(visitor, '/admin');
  await look('console-forbidden', visitor);
}

async function failures(world, open, look) {
  const { page } = await open();
  await page.goto(world.at('reader', '/login'));
  await form(page, '/login').locator('[name="_token"]').evaluate((field) => (field.value = 'old'));
  await send(page, '/login', { email: 'ada@example.org' });
  await look('failure-form', page);
  await page.goto(world.at('reader', '/invitations/unknown'));
  await page.goto(world.at('reader', '/welcome/skip'));
  await look('failure-method', page);
}
