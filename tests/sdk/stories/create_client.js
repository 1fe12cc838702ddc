// The whole client that applications use, `createClient(url, key)`, from the first code to signing out.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accepted, isOver, isUser } from '../lib/expect.js';
import { KEYS } from '../../node/server.js';

export function createClientStories(app) {
  describe('createClient', () => {
    it('signs in, refreshes, changes and leaves, and hears of each', async () => {
      const email = app.freshAddress();
      const { supabase, auth, http } = app.supabase();
      const events = [];
      supabase.auth.onAuthStateChange((event) => events.push(event));

      const token = await app.code({ auth, http }, email);
      const asked = http.last;
      assert.equal(asked.url.href, `${app.server.url}/auth/v1/otp`);
      assert.equal(asked.sent.get('apikey'), KEYS.reader);
      assert.equal(asked.sent.get('authorization'), `Bearer ${KEYS.reader}`, 'the key is the bearer of a public route');
      assert.equal(asked.sent.get('x-supabase-api-version'), '2024-01-01');

      const { session, user } = accepted(await supabase.auth.verifyOtp({ email, token, type: 'email' }));
      isUser(user, email);
      assert.equal(accepted(await supabase.auth.getUser()).user.id, user.id);
      assert.equal(http.last.sent.get('authorization'), `Bearer ${session.access_token}`);
      assert.equal(accepted(await supabase.auth.getClaims()).claims.sub, user.id);

      const next = accepted(await supabase.auth.refreshSession()).session;
      assert.notEqual(next.refresh_token, session.refresh_token);
      accepted(await supabase.auth.updateUser({ data: { name: 'Ada' } }));
      accepted(await supabase.auth.signOut());
      await isOver(app, next);
      assert.deepEqual(events, ['INITIAL_SESSION', 'SIGNED_IN', 'TOKEN_REFRESHED', 'USER_UPDATED', 'SIGNED_OUT']);
    });

    it('takes over a session that another client has handed to it', async () => {
      const { session, user } = await app.signIn(app.freshAddress());
      const { supabase } = app.supabase();
      const taken = accepted(await supabase.auth.setSession(session));
      assert.equal(taken.user.id, user.id);
      accepted(await supabase.auth.refreshSession());
      accepted(await supabase.auth.getUser());
    });

    it('works at the management site with its own key', async () => {
      const email = app.freshAddress();
      const reader = await app.signIn(email);
      const { supabase, auth, http } = app.supabase('management');
      const token = await app.code({ auth, http }, email);
      const { user } = accepted(await supabase.auth.verifyOtp({ email, token, type: 'email' }));
      assert.equal(user.id, reader.user.id);
      assert.equal(accepted(await supabase.auth.getClaims()).claims.site_kind, 'management');
    });
  });
}
