// Refreshing: tokens rotate, a lost answer costs nothing, a stolen token ends the session.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accepted, areClaims, claimsOf, isAlive, isSession, refused } from '../lib/expect.js';

export function refreshStories(app) {
  // In a client of its own, as another tab or a server-side renderer would.
  const refresh = (session) => app.client().auth.refreshSession({ refresh_token: session.refresh_token });

  describe('refreshing', () => {
    it('gives new tokens of the same session', async () => {
      const { auth, http, session, user } = await app.signIn(app.freshAddress());
      const next = accepted(await auth.refreshSession()).session;
      isSession(http.last.body, user.email);
      assert.notEqual(next.refresh_token, session.refresh_token);
      assert.deepEqual(next.user, user);
      const claims = claimsOf(next.access_token);
      areClaims(claims, { issuer: `${app.server.siteUrl.reader}/auth/v1`, user, kind: 'reader' });
      assert.equal(claims.session_id, claimsOf(session.access_token).session_id);
      await isAlive(app, next);
    });

    it('goes on and on', async () => {
      const { auth } = await app.signIn(app.freshAddress());
      const seen = new Set();
      for (let round = 0; round < 10; round += 1) {
        seen.add(accepted(await auth.refreshSession()).session.refresh_token);
      }
      assert.equal(seen.size, 10);
    });

    it('survives a lost answer: the client repeats itself and gets the same successor', async (test) => {
      const { auth, http, session } = await app.signIn(app.freshAddress());
      test.mock.method(console, 'error', () => {}); // where the client reports the failure that we play
      let lost;
      http.spoil = (call) => {
        if (lost) return;
        lost = call.body;
        throw new TypeError('fetch failed');
      };
      const next = accepted(await auth.refreshSession()).session;
      assert.equal(http.count('POST', '/token'), 2, 'the client did not repeat its request');
      assert.equal(next.refresh_token, lost.refresh_token);
      assert.notEqual(next.refresh_token, session.refresh_token);
    });

    it('takes the previous token until its successor has been used', async () => {
      const { session } = await app.signIn(app.freshAddress());
      const first = accepted(await refresh(session)).session;
      const again = accepted(await refresh(session)).session;
      assert.equal(again.refresh_token, first.refresh_token);
      const next = accepted(await refresh(first)).session;
      assert.notEqual(next.refresh_token, first.refresh_token);
    });

    it('gives twenty callers at once one successor', async () => {
      const { session } = await app.signIn(app.freshAddress());
      const answers = await Promise.all(Array.from({ length: 20 }, () => refresh(session)));
      const successors = new Set(answers.map((answer) => accepted(answer).session.refresh_token));
      assert.equal(successors.size, 1);
      const [successor] = successors;
      accepted(await refresh({ refresh_token: successor }));
    });

    it('ends the session when a token from two generations back turns up', async () => {
      const email = app.freshAddress();
      const { auth, session } = await app.signIn(email);
      const other = await app.signIn(email);
      accepted(await auth.refreshSession());
      const newest = accepted(await auth.refreshSession()).session;

      refused(await refresh(session), 400, 'refresh_token_already_used');

      const user = await app.raw('GET', '/user', { token: newest.access_token });
      assert.deepEqual([user.status, user.body.code], [403, 'session_not_found']);
      const events = [];
      auth.onAuthStateChange((event) => events.push(event));
      const { error } = await auth.getUser();
      assert.equal(error.name, 'AuthSessionMissingError');
      assert.ok(events.includes('SIGNED_OUT'), 'the client has not noticed');
      assert.notEqual((await refresh(newest)).error, null);
      await isAlive(app, other.session); // the other session of this user has nothing to do with it
    });

    it('refuses what is not a refresh token', async () => {
      const { session } = await app.signIn(app.freshAddress());
      const codes = ['validation_failed', 'refresh_token_not_found'];
      const changed = session.refresh_token.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A'));
      for (const refresh_token of ['x', 'a'.repeat(5000), session.access_token, changed.replace(/^./, '!')]) {
        const { error } = await refresh({ refresh_token });
        assert.equal(error.status, 400);
        assert.ok(codes.includes(error.code), `${error.code} for ${refresh_token.slice(0, 10)}…`);
      }
      await isAlive(app, session); // guessing ends nobody's session
      accepted(await refresh(session));
    });
  });
}
