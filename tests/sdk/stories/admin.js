// Administering with the published clients: every call of `supabase.auth.admin` that this server answers.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'node:test';
import { accepted, claimsOf, isAlive, isOver, refused } from '../lib/expect.js';
import { linkTokenIn } from '../../node/mail.js';

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

export function adminStories(app) {
  /** A client that administers the reader site with a service key, as the README shows. */
  const administrator = async (options) => app.supabase('reader', await app.serviceKey(options));
  /** What an administrator makes has none of what a sign-in writes. */
  const isMade = (user, email) => {
    assert.equal(user.email, email);
    assert.deepEqual([user.role, user.phone, user.is_anonymous], ['authenticated', '', false]);
    for (const [name, value] of Object.entries(user)) assert.notEqual(value, null, `${name} is null, not left out`);
  };

  describe('administering', () => {
    it('makes, finds, changes and deletes accounts', async () => {
      const { auth, http } = await administrator();
      const [email, id] = [app.freshAddress(), randomUUID()];
      const user_metadata = { name: 'Ada', nested: { a: [1, null] } };
      const made = accepted(await auth.admin.createUser({ id, email, user_metadata, app_metadata: { plan: 'x' }, password: 'x' }));
      isMade(made.user, email);
      assert.equal(made.user.id, id);
      assert.deepEqual(made.user.user_metadata, user_metadata, 'just as it was sent');
      assert.deepEqual(made.user.app_metadata, { plan: 'x', provider: 'email', providers: ['email'] });
      assert.equal(made.user.email_confirmed_at, undefined);
      assert.equal(http.last.sent.get('apikey'), http.last.sent.get('authorization').replace('Bearer ', ''));
      refused(await auth.admin.createUser({ email }), 422, 'email_exists');
      refused(await auth.admin.createUser({ email: 'nonsense' }), 400, 'validation_failed');

      assert.equal(accepted(await auth.admin.getUserById(id)).user.email, email);
      const changed = accepted(await auth.admin.updateUserById(id, {
        user_metadata: { name: null, city: 'London' }, app_metadata: { plan: 'y' }, email_confirm: true,
      })).user;
      assert.deepEqual(changed.user_metadata, { nested: { a: [1, null] }, city: 'London', email_verified: true });
      assert.match(changed.email_confirmed_at, INSTANT);
      assert.equal(changed.app_metadata.plan, 'y');
      const moved = app.freshAddress('moved');
      assert.equal(accepted(await auth.admin.updateUserById(id, { email: moved })).user.email, moved);

      accepted(await auth.admin.deleteUser(id));
      refused(await auth.admin.getUserById(id), 404, 'user_not_found');
      refused(await auth.admin.deleteUser(id), 404, 'user_not_found');
    });

    it('the account that was made is signed in to as any other', async () => {
      const { auth } = await administrator();
      const email = app.freshAddress();
      const { user } = accepted(await auth.admin.createUser({ email, user_metadata: { name: 'Ada' } }));
      const signedIn = await app.signIn(email);
      assert.equal(signedIn.user.id, user.id);
      assert.deepEqual(signedIn.user.user_metadata, { name: 'Ada', email_verified: true });
      assert.match(accepted(await auth.admin.getUserById(user.id)).user.last_sign_in_at, INSTANT);
    });

    it('lists accounts by page, newest first', async () => {
      const { auth, http } = await administrator();
      const emails = [app.freshAddress('first'), app.freshAddress('second'), app.freshAddress('third')];
      for (const email of emails) accepted(await auth.admin.createUser({ email }));
      const all = accepted(await auth.admin.listUsers());
      assert.deepEqual(all.users.slice(0, 3).map((user) => user.email), emails.toReversed());
      assert.equal(all.aud, claimsOf((await app.signIn(emails[0])).session.access_token).aud);
      assert.ok(all.total >= 3);
      const page = accepted(await auth.admin.listUsers({ page: 1, perPage: 2 }));
      assert.deepEqual(page.users.map((user) => user.email), emails.toReversed().slice(0, 2));
      assert.equal(page.nextPage, 2);
      assert.equal(http.last.url.search, '?page=1&per_page=2');
      refused(await auth.admin.listUsers({ page: -1 }), 400, 'validation_failed');
    });

    it('a ban ends every session at once, until it is lifted', async () => {
      const { auth } = await administrator();
      const email = app.freshAddress();
      const { user, session } = await app.signIn(email);
      const banned = accepted(await auth.admin.updateUserById(user.id, { ban_duration: '24h' })).user;
      const hours = (new Date(banned.banned_until) - Date.now()) / 3_600_000;
      assert.ok(hours > 23.9 && hours < 24.1, banned.banned_until);
      await isOver(app, session);
      const client = app.client();
      const token = await app.code(client, email);
      refused(await client.auth.verifyOtp({ email, token, type: 'email' }), 403, 'user_banned');
      const lifted = accepted(await auth.admin.updateUserById(user.id, { ban_duration: 'none' })).user;
      assert.equal(lifted.banned_until, undefined);
      accepted(await client.auth.verifyOtp({ email, token, type: 'email' }));
      refused(await auth.admin.updateUserById(user.id, { ban_duration: 'a while' }), 400, 'validation_failed');
    });

    it('signs somebody out by their access token, or by their id', async () => {
      const { auth } = await administrator();
      const email = app.freshAddress();
      const [first, second] = [await app.signIn(email), await app.signIn(email)];
      const { error } = await auth.admin.signOut(first.session.access_token, 'local');
      assert.equal(error, null);
      await isOver(app, first.session);
      await isAlive(app, second.session);
      const key = await app.serviceKey();
      const path = `/admin/users/${second.user.id}/logout`;
      const out = await app.raw('POST', path, { token: key });
      assert.deepEqual([out.status, out.body], [204, '']);
      await isOver(app, second.session);
    });

    it('a soft deletion leaves a husk', async () => {
      const { auth } = await administrator();
      const email = app.freshAddress();
      const { user, session } = await app.signIn(email);
      accepted(await auth.admin.deleteUser(user.id, true));
      const husk = accepted(await auth.admin.getUserById(user.id)).user;
      assert.match(husk.deleted_at, INSTANT);
      assert.ok(!JSON.stringify(husk).includes(email));
      await isOver(app, session);
      assert.notEqual((await app.signIn(email)).user.id, user.id);
    });

    it('invites by mail, and the link opens the account', async () => {
      const { auth } = await administrator();
      const email = app.freshAddress();
      const invited = accepted(await auth.admin.inviteUserByEmail(email, { data: { name: 'Ada' } })).user;
      isMade(invited, email);
      assert.match(invited.invited_at, INSTANT);
      assert.match(invited.confirmation_sent_at, INSTANT);
      const token_hash = linkTokenIn(await app.mailbox.nth(email, 1));
      const { user } = accepted(await app.client().auth.verifyOtp({ token_hash, type: 'invite' }));
      assert.equal(user.id, invited.id);
      assert.deepEqual(user.user_metadata, { name: 'Ada', email_verified: true });
      refused(await app.client().auth.verifyOtp({ token_hash, type: 'invite' }), 403, 'otp_expired');
      refused(await auth.admin.inviteUserByEmail(email), 422, 'email_exists');
    });

    it('generates links of every kind', async () => {
      const { auth } = await administrator();
      const email = app.freshAddress();
      const redirectTo = `${app.server.siteUrl.reader}/welcome`;
      refused(await auth.admin.generateLink({ type: 'recovery', email }), 404, 'user_not_found');
      const signup = accepted(await auth.admin.generateLink({ type: 'signup', email, password: 'x', options: { data: { a: 1 }, redirectTo } }));
      isMade(signup.user, email);
      assert.deepEqual(signup.user.user_metadata, { a: 1 });
      const { properties } = signup;
      assert.deepEqual([properties.verification_type, properties.redirect_to], ['signup', redirectTo]);
      const start = `${app.server.siteUrl.reader}/auth/v1/verify?token=${properties.hashed_token}&type=signup&redirect_to=`;
      assert.equal(properties.action_link, start + redirectTo);
      app.secrets.add(properties.hashed_token);
      // The link itself, as a browser opens it, leads to the page that asks.
      const opened = await fetch(properties.action_link.replace(app.server.siteUrl.reader, app.server.url), {
        redirect: 'manual', headers: { apikey: 'doorcode_pub_reader_dev' },
      });
      assert.equal(opened.status, 303);
      accepted(await app.client().auth.verifyOtp({ token_hash: properties.hashed_token, type: 'signup' }));

      refused(await auth.admin.generateLink({ type: 'signup', email, password: 'x' }), 422, 'email_exists');
      refused(await auth.admin.generateLink({ type: 'invite', email }), 422, 'email_exists');
      for (const type of ['magiclink', 'recovery']) {
        const link = accepted(await auth.admin.generateLink({ type, email })).properties;
        assert.equal(link.verification_type, type);
        const signedIn = accepted(await app.client().auth.verifyOtp({ email, token: link.email_otp, type }));
        isUserLike(signedIn.user, email);
      }
      const unknown = app.freshAddress();
      const magic = accepted(await auth.admin.generateLink({ type: 'magiclink', email: unknown })).properties;
      assert.equal(magic.verification_type, 'signup', 'there was no account');
      const invited = app.freshAddress();
      const invite = accepted(await auth.admin.generateLink({ type: 'invite', email: invited }));
      assert.match(invite.user.invited_at, INSTANT);
      accepted(await app.client().auth.verifyOtp({ token_hash: invite.properties.hashed_token, type: 'invite' }));

      const newEmail = app.freshAddress('new');
      const halves = {};
      for (const type of ['email_change_current', 'email_change_new']) {
        halves[type] = accepted(await auth.admin.generateLink({ type, email, newEmail })).properties;
        assert.equal(halves[type].verification_type, type);
      }
      const first = await app.client().auth.verifyOtp({ token_hash: halves.email_change_new.hashed_token, type: 'email_change' });
      assert.deepEqual([first.error, first.data.session], [null, null]);
      const token = halves.email_change_current.email_otp;
      const changed = accepted(await app.client().auth.verifyOtp({ email, token, type: 'email_change' }));
      assert.equal(changed.user.email, newEmail);
    });

    it('lists no second factors', async () => {
      const { auth } = await administrator();
      const { user } = await app.signIn(app.freshAddress());
      assert.deepEqual(accepted(await auth.admin.mfa.listFactors({ userId: user.id })).factors ?? [], []);
    });

    it('takes a service_role token as well, and nobody else\'s', async () => {
      const key = await app.serviceKey();
      const made = await fetch(`${app.server.url}/admin/v1/service-role-tokens`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ site: 'reader' }),
      });
      assert.equal(made.status, 201);
      const { token } = await made.json();
      app.secrets.add(token);
      accepted(await app.supabase('reader', token).auth.admin.listUsers());
      const { session } = await app.signIn(app.freshAddress());
      const { auth } = app.client('reader', app.server, { headers: { apikey: 'doorcode_pub_reader_dev', Authorization: `Bearer ${session.access_token}` } });
      refused(await auth.admin.listUsers(), 403, 'not_admin');
      refused(await app.client().auth.admin.listUsers(), 401, 'no_authorization');
      const reads = await administrator({ scope: 'read' });
      accepted(await reads.auth.admin.listUsers());
      refused(await reads.auth.admin.createUser({ email: app.freshAddress() }), 403, 'insufficient_scope');
    });

    it('the published Python client does the same', async () => {
      const python = process.env.DOORCODE_TEST_PYTHON;
      assert.ok(python, 'DOORCODE_TEST_PYTHON is not set: run this suite with tests/run');
      const addresses = Array.from({ length: 8 }, () => app.freshAddress('py'));
      const script = fileURLToPath(new URL('../python/admin.py', import.meta.url));
      const PYTHONPATH = process.env.DOORCODE_TEST_PYTHONPATH ?? '';
      const env = { ...process.env, PYTHONPATH, SERVICE_KEY: await app.serviceKey(), AUTH_URL: app.server.authUrl, ADDRESSES: addresses.join(',') };
      const { code, output } = await new Promise((resolve) => {
        execFile(python, [script], { env, timeout: 60_000 }, (error, stdout, stderr) => {
          resolve({ code: error?.code ?? 0, output: stdout + stderr });
        });
      });
      assert.equal(code, 0, output);
    });
  });
}

/** An account whose owner has signed in, however it was made. */
function isUserLike(user, email) {
  assert.equal(user.email, email);
  assert.match(user.email_confirmed_at, INSTANT);
  assert.equal(user.user_metadata.email_verified, true);
}
