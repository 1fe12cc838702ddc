// Signing out: here, elsewhere, everywhere.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accepted, isAlive, isOver } from '../lib/expect.js';

export function signOutStories(app) {
  // Three sign-ins of one user.
  const threeSessions = async () => {
    const email = app.freshAddress();
    return [await app.signIn(email), await app.signIn(email), await app.signIn(email)];
  };

  describe('signing out', () => {
    it('scope local ends this session and no other', async () => {
      const [mine, ...others] = await threeSessions();
      accepted(await mine.auth.signOut({ scope: 'local' }));
      assert.equal(mine.http.last.status, 204);
      assert.equal(mine.http.last.body, '');
      assert.equal(accepted(await mine.auth.getSession()).session, null);
      await isOver(app, mine.session);
      for (const { session } of others) await isAlive(app, session);
    });

    it('scope others ends every session but this one', async () => {
      const [mine, ...others] = await threeSessions();
      accepted(await mine.auth.signOut({ scope: 'others' }));
      assert.notEqual(accepted(await mine.auth.getSession()).session, null);
      await isAlive(app, mine.session);
      accepted(await mine.auth.refreshSession());
      for (const { session } of others) await isOver(app, session);
    });

    it('scope global, the default, ends them all', async () => {
      const [mine, ...others] = await threeSessions();
      accepted(await mine.auth.signOut());
      assert.equal(mine.http.last.url.searchParams.get('scope'), 'global');
      for (const { session } of [mine, ...others]) await isOver(app, session);
    });

    it('leaves other users alone', async () => {
      const [ada, eve] = [await app.signIn(app.freshAddress()), await app.signIn(app.freshAddress('eve'))];
      accepted(await ada.auth.signOut());
      await isAlive(app, eve.session);
    });

    it('twice is no error for the client', async () => {
      const { auth, session } = await app.signIn(app.freshAddress());
      accepted(await auth.admin.signOut(session.access_token, 'global'));
      accepted(await auth.signOut());
      assert.equal(accepted(await auth.getSession()).session, null);
    });

    it('refuses a scope that does not exist', async () => {
      const { session } = await app.signIn(app.freshAddress());
      const { status, body } = await app.raw('POST', '/logout?scope=moon', { token: session.access_token });
      assert.deepEqual([status, body.code], [400, 'validation_failed']);
      await isAlive(app, session);
    });

    it('takes a body of {} as it takes none', async () => {
      const { session } = await app.signIn(app.freshAddress());
      const { status } = await app.raw('POST', '/logout', { token: session.access_token, body: {} });
      assert.equal(status, 204);
      await isOver(app, session);
    });
  });
}
