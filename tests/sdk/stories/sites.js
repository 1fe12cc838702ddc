// Two sites, one user base: nothing that one site gave out is worth anything at the other.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accepted, areClaims, isAlive, isOver, refused } from '../lib/expect.js';

const PAIRS = [
  ['reader', 'management'],
  ['management', 'reader'],
];

export function siteStories(app) {
  // The management site creates nobody, so its users sign in as readers first.
  const known = async () => {
    const email = app.freshAddress();
    await app.signIn(email);
    return email;
  };

  describe('sites', () => {
    it('a reader signs in at the management site with the same account', async () => {
      const email = app.freshAddress();
      const reader = await app.signIn(email);
      const { auth, user } = await app.signIn(email, { site: 'management' });
      assert.equal(user.id, reader.user.id);
      const { claims } = accepted(await auth.getClaims());
      areClaims(claims, { issuer: `${app.server.siteUrl.management}/auth/v1`, user, kind: 'management' });
    });

    for (const [home, away] of PAIRS) {
      it(`an access token of ${home} is refused at ${away}`, async () => {
        const email = await known();
        const { session } = await app.signIn(email, { site: home });
        const there = app.client(away);
        refused(await there.auth.getUser(session.access_token), 403, 'bad_jwt');
        const { data, error } = await there.auth.getClaims(session.access_token);
        assert.equal(data, null, 'the keys of the two sites are one');
        assert.notEqual(error, null);
        const change = await app.raw('PUT', '/user', {
          site: away,
          token: session.access_token,
          body: { data: { name: 'Eve' } },
        });
        assert.deepEqual([change.status, change.body.code], [403, 'bad_jwt']);
        await isAlive(app, session, home);
      });

      it(`a refresh token of ${home} is refused at ${away}`, async () => {
        const email = await known();
        const { auth, session } = await app.signIn(email, { site: home });
        const there = await app.client(away).auth.refreshSession(session);
        assert.equal(there.error?.status, 400);
        assert.equal(there.data.session, null);
        accepted(await auth.refreshSession()); // trying it elsewhere has done no harm
      });

      it(`a code of ${home} is refused at ${away}`, async () => {
        const email = await known();
        const here = app.client(home);
        const token = await app.code(here, email);
        refused(await app.client(away).auth.verifyOtp({ email, token, type: 'email' }), 403, 'otp_expired');
        accepted(await here.auth.verifyOtp({ email, token, type: 'email' }));
      });

      it(`signing out everywhere at ${home} leaves the session at ${away}`, async () => {
        const email = await known();
        const here = await app.signIn(email, { site: home });
        const there = await app.signIn(email, { site: away });
        accepted(await here.auth.signOut({ scope: 'global' }));
        await isOver(app, here.session, home);
        await isAlive(app, there.session, away);
        accepted(await there.auth.refreshSession());
      });
    }

    it('the management site creates nobody, and does not say so', async () => {
      const email = app.freshAddress('stranger');
      const client = app.client('management');
      const before = await app.backend.countUsers();
      accepted(await client.auth.signInWithOtp({ email, options: { shouldCreateUser: true } }));
      assert.deepEqual(client.http.last.body, {});
      assert.deepEqual(await app.codesSentTo(email), []);
      refused(await client.auth.verifyOtp({ email, token: '123456', type: 'email' }), 403, 'otp_expired');
      if (before !== undefined) assert.equal(await app.backend.countUsers(), before);
    });

    it('nobody is created where the application says so either', async () => {
      const email = app.freshAddress('stranger');
      const client = app.client('reader');
      accepted(await client.auth.signInWithOtp({ email, options: { shouldCreateUser: false } }));
      assert.deepEqual(client.http.last.body, {});
      assert.deepEqual(await app.codesSentTo(email), []);
    });

    const skip = app.backend.sqlIsOpen ? false : 'the embedded database answers one process only';
    it('asking for a code writes nothing to the database', { skip }, async () => {
      const before = await app.backend.countUsers();
      await app.code(app.client(), app.freshAddress());
      assert.equal(await app.backend.countUsers(), before);
    });

    it('a key that no site has is refused', async () => {
      const { status, body } = await app.raw('POST', '/otp', {
        site: null,
        headers: { apikey: 'doorcode_pub_nobody' },
        body: { email: app.freshAddress() },
      });
      assert.ok([400, 401, 403].includes(status), String(status));
      assert.equal(typeof body.code, 'string');
    });
  });
}
