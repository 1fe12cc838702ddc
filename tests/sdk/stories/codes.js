// What a code is good for, and what it is not.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accepted, isSession, refused } from '../lib/expect.js';

const otherThan = (code) => String((Number(code) + 1) % 1_000_000).padStart(6, '0');

export function codeStories(app) {
  describe('codes', () => {
    it('a wrong code is refused, and the right one still works', async () => {
      const email = app.freshAddress();
      const client = app.client();
      const code = await app.code(client, email);
      refused(await client.auth.verifyOtp({ email, token: otherThan(code), type: 'email' }), 403, 'otp_expired');
      assert.equal(client.http.last.body.message, 'Token has expired or is invalid');
      accepted(await client.auth.verifyOtp({ email, token: code, type: 'email' }));
    });

    it('a code works once', async () => {
      const email = app.freshAddress();
      const client = app.client();
      const token = await app.code(client, email);
      accepted(await client.auth.verifyOtp({ email, token, type: 'email' }));
      refused(await app.client().auth.verifyOtp({ email, token, type: 'email' }), 403, 'otp_expired');
    });

    it('twenty clients with the right code at once open one session', async () => {
      const email = app.freshAddress();
      const token = await app.code(app.client(), email);
      const answers = await Promise.all(
        Array.from({ length: 20 }, () => app.client().auth.verifyOtp({ email, token, type: 'email' })),
      );
      const opened = answers.filter(({ data }) => data.session);
      assert.equal(opened.length, 1);
      for (const answer of answers) if (answer !== opened[0]) refused(answer, 403, 'otp_expired');
    });

    it('five wrong guesses use a code up', async () => {
      const email = app.freshAddress();
      const client = app.client();
      const code = await app.code(client, email);
      let wrong = code;
      for (let guess = 0; guess < 5; guess += 1) {
        wrong = otherThan(wrong);
        refused(await client.auth.verifyOtp({ email, token: wrong, type: 'email' }), 403, 'otp_expired');
      }
      refused(await client.auth.verifyOtp({ email, token: code, type: 'email' }), 403, 'otp_expired');
    });

    it("another address' code is refused", async () => {
      const [hers, mine] = [app.freshAddress(), app.freshAddress('eve')];
      const client = app.client();
      const token = await app.code(client, hers);
      await app.code(client, mine);
      refused(await client.auth.verifyOtp({ email: mine, token, type: 'email' }), 403, 'otp_expired');
    });

    it('asking again makes the first code worthless', async () => {
      const email = app.freshAddress();
      const client = app.client();
      const first = await app.code(client, email);
      let second = await app.code(client, email);
      while (second === first) second = await app.code(client, email);
      refused(await client.auth.verifyOtp({ email, token: first, type: 'email' }), 403, 'otp_expired');
      accepted(await client.auth.verifyOtp({ email, token: second, type: 'email' }));
    });

    it('asking again too soon is refused and says how long to wait', { timeout: 240_000 }, async () => {
      const server = await app.startAnother({ LIMITS__SEND_GAP_SECS: '60' });
      try {
        const email = app.freshAddress();
        const client = app.client('reader', server);
        accepted(await client.auth.signInWithOtp({ email }));
        const again = await client.auth.signInWithOtp({ email });
        refused(again, 429, 'over_email_send_rate_limit');
        const [, seconds] = again.error.message.match(
          /^For security purposes, you can only request this after (\d+) seconds\.$/,
        );
        assert.ok(seconds > 50 && seconds <= 60, `${seconds} seconds`);
        assert.equal(client.http.last.headers.get('retry-after'), seconds);
        // nobody else waits
        accepted(await client.auth.signInWithOtp({ email: app.freshAddress() }));
      } finally {
        await server.stop();
      }
    });

    it('a code that starts with zero keeps it', { timeout: 240_000 }, async () => {
      let found;
      for (let asked = 0; asked < 150 && !found; asked += 10) {
        const tries = Array.from({ length: 10 }, async () => {
          const email = app.freshAddress();
          return { email, token: await app.code(app.client(), email) };
        });
        found = (await Promise.all(tries)).find(({ token }) => token.startsWith('0'));
      }
      assert.ok(found, 'no code of 150 starts with 0');
      const client = app.client();
      accepted(await client.auth.verifyOtp({ ...found, type: 'email' }));
      isSession(client.http.last.body, found.email);
    });

    describe('types', () => {
      for (const type of ['email', 'signup']) {
        it(`a new user's code is good for ${type}`, async () => {
          const email = app.freshAddress();
          const client = app.client();
          const token = await app.code(client, email);
          const { user } = accepted(await client.auth.verifyOtp({ email, token, type }));
          assert.equal(user.email, email);
        });
      }

      for (const type of ['email', 'magiclink']) {
        it(`a known user's code is good for ${type}`, async () => {
          const email = app.freshAddress();
          const { user } = await app.signIn(email);
          const client = app.client();
          const token = await app.code(client, email);
          const again = accepted(await client.auth.verifyOtp({ email, token, type }));
          assert.equal(again.user.id, user.id);
        });
      }

      it("magiclink is refused for a new user's code, which signup then takes", async () => {
        const email = app.freshAddress();
        const client = app.client();
        const token = await app.code(client, email);
        refused(await client.auth.verifyOtp({ email, token, type: 'magiclink' }), 403, 'otp_expired');
        accepted(await client.auth.verifyOtp({ email, token, type: 'signup' }));
      });

      it("signup is refused for a known user's code, which magiclink then takes", async () => {
        const email = app.freshAddress();
        await app.signIn(email);
        const client = app.client();
        const token = await app.code(client, email);
        refused(await client.auth.verifyOtp({ email, token, type: 'signup' }), 403, 'otp_expired');
        accepted(await client.auth.verifyOtp({ email, token, type: 'magiclink' }));
      });
    });
  });
}
