// Deleting one's account: an addition beside the wire, so without a client library.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { refused } from '../lib/expect.js';

export function deletionStories(app) {
  describe('deleting the account', () => {
    it('takes a code mailed for that, and then everything is gone', async () => {
      const email = app.freshAddress();
      const { auth, user, session } = await app.signIn(email);
      const token = session.access_token;
      const asked = await app.raw('POST', '/user/deletion-code', { token });
      assert.deepEqual([asked.status, asked.body], [200, {}]);
      const code = await app.mailbox.nthCode(email, 2);
      const unasked = await app.raw('DELETE', '/user', { token, body: {} });
      assert.deepEqual([unasked.status, unasked.body.code], [400, 'validation_failed']);
      refused(await auth.verifyOtp({ email, token: code, type: 'email' }), 403, 'otp_expired');
      const deleted = await app.raw('DELETE', '/user', { token, body: { token: code } });
      assert.deepEqual([deleted.status, deleted.body], [204, '']);
      refused(await auth.getUser(token), 403, 'user_not_found');
      assert.notEqual((await app.signIn(email)).user.id, user.id);
    });
  });
}
