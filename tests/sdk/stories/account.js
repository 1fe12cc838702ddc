// What users may change of their account, and asking for another mail.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accepted, claimsOf, isUser, refused } from '../lib/expect.js';

export function accountStories(app) {
  describe('the account', () => {
    it('updateUser merges metadata, and null deletes a key', async () => {
      const email = app.freshAddress();
      const { auth, user } = await app.signIn(email);
      accepted(await auth.updateUser({ data: { name: 'Ada', city: 'London', tags: { a: 1 } } }));
      const changed = accepted(await auth.updateUser({ data: { city: null, lang: 'en', tags: { b: 2 } } })).user;

      isUser(changed, email);
      assert.deepEqual(changed.user_metadata, {
        ...user.user_metadata,
        name: 'Ada',
        lang: 'en',
        tags: { b: 2 }, // the merge is one level deep
      });
      assert.deepEqual(changed.app_metadata, user.app_metadata);
      assert.deepEqual(accepted(await auth.getUser()).user, changed);
    });

    it('changed metadata is in the next access token', async () => {
      const { auth } = await app.signIn(app.freshAddress());
      accepted(await auth.updateUser({ data: { name: 'Ada' } }));
      const { session } = accepted(await auth.refreshSession());
      assert.equal(claimsOf(session.access_token).user_metadata.name, 'Ada');
    });

    it('nobody gives themselves rights', async () => {
      const { auth, session, user } = await app.signIn(app.freshAddress());
      await app.raw('PUT', '/user', {
        token: session.access_token,
        body: { data: { name: 'Ada' }, app_metadata: { role: 'admin' }, role: 'service_role' },
      });
      const now = accepted(await auth.getUser()).user;
      assert.deepEqual(now.app_metadata, user.app_metadata);
      assert.equal(now.role, 'authenticated');
      const next = claimsOf(accepted(await auth.refreshSession()).session.access_token);
      assert.deepEqual([next.role, next.app_metadata], ['authenticated', user.app_metadata]);
    });

    it('is nobody without a session', async () => {
      const { error } = await app.client().auth.getUser();
      assert.equal(error.name, 'AuthSessionMissingError');
      refused(await app.client().auth.getUser('not-a-token'), 403, 'bad_jwt');
      const { status, body } = await app.raw('GET', '/user');
      assert.deepEqual([status, body.code], [401, 'no_authorization']);
    });
  });

  describe('resending', () => {
    it('a sign-up mail can be asked for again', async () => {
      const email = app.freshAddress();
      const client = app.client();
      await app.code(client, email);
      accepted(await app.patiently(client, () => client.auth.resend({ type: 'signup', email })));
      assert.equal(client.http.last.status, 200);
      assert.deepEqual(client.http.last.body, {});
      const token = await app.mailbox.nthCode(email, 2);
      accepted(await client.auth.verifyOtp({ email, token, type: 'signup' }));
    });

    it('an address that nobody knows gets the same answer', async () => {
      const client = app.client();
      accepted(await client.auth.resend({ type: 'signup', email: app.freshAddress() }));
      assert.equal(client.http.last.status, 200);
      assert.deepEqual(client.http.last.body, {});
    });

    it('a type that cannot be resent is refused', async () => {
      const email = app.freshAddress();
      refused(await app.client().auth.resend({ type: 'magiclink', email }), 400, 'validation_failed');
    });
  });
}
