// Signing in: a new account, a known one, and what the session says of it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accepted, areClaims, claimsOf, isSession, isUser, refused } from '../lib/expect.js';

export function signInStories(app) {
  describe('signing in', () => {
    it('a new user signs in with the six digits from the mail', async () => {
      const email = app.freshAddress();
      const client = app.client();

      const asked = accepted(await client.auth.signInWithOtp({ email }));
      assert.deepEqual([asked.user, asked.session], [null, null]);
      assert.equal(client.http.last.status, 200);
      assert.deepEqual(client.http.last.body, {});

      const token = await app.mailbox.nthCode(email, 1);
      const { session, user } = accepted(await client.auth.verifyOtp({ email, token, type: 'email' }));
      isSession(client.http.last.body, email);
      assert.equal(session.access_token, client.http.last.body.access_token);
      isUser(user, email);
      assert.equal(accepted(await client.auth.getSession()).session.access_token, session.access_token);
    });

    it('the code is in the body of the mail and nowhere else in it', async () => {
      const email = app.freshAddress();
      const code = await app.code(app.client(), email);
      const { subject, text, html } = await app.mailbox.nth(email, 1);
      assert.ok(text.includes(code));
      assert.ok(html.includes(code));
      assert.ok(!subject.includes(code), 'a subject shows on a locked screen');
    });

    it('getUser asks the server who it is', async () => {
      const { auth, http, user } = await app.signIn(app.freshAddress());
      const before = http.count('GET', '/user');
      const asked = accepted(await auth.getUser());
      assert.equal(http.count('GET', '/user'), before + 1);
      isUser(asked.user, user.email);
      assert.deepEqual(asked.user, user);
    });

    it('getClaims verifies the token on the spot, with the published ES256 key', async () => {
      const { auth, http, session, user } = await app.signIn(app.freshAddress());
      const { claims, header } = accepted(await auth.getClaims());
      assert.equal(header.alg, 'ES256');
      assert.equal(header.typ, 'JWT');
      areClaims(claims, { issuer: `${app.server.siteUrl.reader}/auth/v1`, user, kind: 'reader' });
      assert.equal(claims.exp, session.expires_at);
      assert.equal(http.count('GET', '/.well-known/jwks.json'), 1);
      assert.equal(http.count('GET', '/user'), 0, 'the server was asked, the key was not used');

      const { keys } = http.last.body;
      assert.match(http.last.headers.get('cache-control'), /public.*max-age=\d+/);
      assert.ok(keys.some((key) => key.kid === header.kid));
      for (const key of keys) {
        assert.deepEqual([key.kty, key.use, key.d], ['EC', 'sig', undefined], 'public signing keys only');
      }
    });

    it('getClaims refuses a token with a changed claim', async () => {
      const { auth, session } = await app.signIn(app.freshAddress());
      const [header, , signature] = session.access_token.split('.');
      const claims = { ...claimsOf(session.access_token), role: 'service_role' };
      const forged = [header, Buffer.from(JSON.stringify(claims)).toString('base64url'), signature].join('.');
      const { data, error } = await auth.getClaims(forged);
      assert.equal(data, null);
      assert.equal(error.code, 'invalid_jwt');
      refused(await auth.getUser(forged), 403, 'bad_jwt');
    });

    it('a known user keeps the account and gets another session', async () => {
      const email = app.freshAddress();
      const first = await app.signIn(email);
      const second = await app.signIn(email);
      assert.equal(second.user.id, first.user.id);
      assert.equal(second.user.created_at, first.user.created_at);
      assert.ok(second.user.last_sign_in_at >= first.user.last_sign_in_at);
      assert.notEqual(
        claimsOf(second.session.access_token).session_id,
        claimsOf(first.session.access_token).session_id,
      );
    });

    it('an address in capitals is the same account', async () => {
      const email = app.freshAddress();
      const first = await app.signIn(email);
      const client = app.client();
      const before = await app.mailbox.count(email);
      accepted(await app.patiently(client, () => client.auth.signInWithOtp({ email: email.toUpperCase() })));
      const token = await app.mailbox.nthCode(email, before + 1);
      const { user } = accepted(await client.auth.verifyOtp({ email: email.toUpperCase(), token, type: 'email' }));
      assert.equal(user.id, first.user.id);
      assert.equal(user.email, email);
    });

    it('what the application says of a new user is in the metadata, and stays as it was', async () => {
      const email = app.freshAddress();
      const first = await app.signIn(email, { options: { data: { name: 'Ada' } } });
      assert.equal(first.user.user_metadata.name, 'Ada');
      const second = await app.signIn(email, { options: { data: { name: 'Eve' } } });
      assert.equal(second.user.user_metadata.name, 'Ada');
    });
  });
}
