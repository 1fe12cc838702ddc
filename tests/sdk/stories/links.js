// Mailed links and PKCE, as client libraries use them.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accepted, isSession, refused } from '../lib/expect.js';
import { linkTokenIn } from '../../node/mail.js';
import { KEYS, LISTED_ORIGIN } from '../../node/server.js';

export function linkStories(app) {
  const pkceClient = () => app.client('reader', app.server, { flowType: 'pkce' });

  describe('mailed links', () => {
    it('a mail carries a link to the site, whose token signs in once', async () => {
      const email = app.freshAddress();
      const client = app.client();
      await app.code(client, email);
      const message = await app.mailbox.nth(email, 1);
      assert.ok(message.text.includes(`${app.server.siteUrl.reader}/confirm?token_hash=`), message.text);
      const token_hash = linkTokenIn(message);
      const { session } = accepted(await client.auth.verifyOtp({ token_hash, type: 'email' }));
      isSession(session, email);
      refused(await app.client().auth.verifyOtp({ token_hash, type: 'email' }), 403, 'otp_expired');
    });

    it('opening the API\'s own link leads to the page and uses nothing up', async () => {
      const email = app.freshAddress();
      const client = app.client();
      await app.code(client, email);
      const token_hash = linkTokenIn(await app.mailbox.nth(email, 1));
      const url = `${app.server.authUrl}/verify?token=${token_hash}&type=magiclink&redirect_to=${LISTED_ORIGIN}/x`;
      for (let time = 0; time < 2; time += 1) {
        const answer = await fetch(url, { redirect: 'manual', headers: { apikey: KEYS.reader } });
        assert.equal(answer.status, 303);
        const to = new URL(answer.headers.get('location'));
        assert.equal(to.origin + to.pathname, `${app.server.siteUrl.reader}/confirm`);
        assert.deepEqual(Object.fromEntries(to.searchParams), {
          token_hash,
          type: 'magiclink',
          redirect_to: `${LISTED_ORIGIN}/x`,
        });
      }
      accepted(await client.auth.verifyOtp({ token_hash, type: 'email' }));
    });
  });

  describe('PKCE', () => {
    it('a code that is typed needs no verifier', async () => {
      const email = app.freshAddress();
      const client = pkceClient();
      const token = await app.code(client, email, { emailRedirectTo: `${LISTED_ORIGIN}/welcome` });
      const sent = client.http.calls.find((call) => call.url.pathname.endsWith('/otp'));
      assert.equal(sent.url.searchParams.get('redirect_to'), `${LISTED_ORIGIN}/welcome`);
      const { session } = accepted(await client.auth.verifyOtp({ email, token, type: 'email' }));
      isSession(session, email);
    });

    it('a code that no link ended in opens nothing', async () => {
      const client = pkceClient();
      await app.code(client, app.freshAddress()); // leaves a verifier with the client
      const unknown = await client.auth.exchangeCodeForSession('11111111-2222-4333-8444-555555555555');
      refused(unknown, 404, 'flow_state_not_found');
      const empty = await app.raw('POST', '/token?grant_type=pkce', { body: { auth_code: 'x', code_verifier: '' } });
      assert.deepEqual([empty.status, empty.body.code], [400, 'validation_failed']);
    });

    it('a change of address is typed too', async () => {
      const [from, to] = [app.freshAddress('from'), app.freshAddress('to')];
      const client = pkceClient();
      const token = await app.code(client, from);
      accepted(await client.auth.verifyOtp({ email: from, token, type: 'email' }));
      accepted(await client.auth.updateUser({ email: to }));
      for (const [email, number] of [[from, 2], [to, 1]]) {
        const code = await app.mailbox.nthCode(email, number);
        accepted(await client.auth.verifyOtp({ email, token: code, type: 'email_change' }));
      }
      assert.equal(accepted(await client.auth.getUser()).user.email, to);
    });
  });
}
