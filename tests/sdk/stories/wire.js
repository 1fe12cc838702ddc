// The wire itself: what browsers need of it, and the two shapes of an error.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { KEYS, LISTED_ORIGIN } from '../../node/server.js';
import { refused } from '../lib/expect.js';

const UNLISTED_ORIGIN = 'https://evil.example';
const SDK_HEADERS = ['apikey', 'authorization', 'x-client-info', 'x-supabase-api-version', 'content-type'];

const list = (header) => (header ?? '').toLowerCase().split(',').map((item) => item.trim());

export function wireStories(app) {
  const preflight = (origin, path, method) =>
    app.raw('OPTIONS', path, {
      site: null,
      version: null,
      headers: {
        origin,
        'access-control-request-method': method,
        'access-control-request-headers': SDK_HEADERS.join(','),
      },
    });
  const wrongCode = (options) =>
    app.raw('POST', '/verify', {
      body: { type: 'email', email: app.freshAddress(), token: '123456' },
      ...options,
    });

  describe('browsers', () => {
    for (const [method, path] of [['POST', '/otp'], ['POST', '/verify'], ['POST', '/token'], ['PUT', '/user']]) {
      it(`a page of a listed origin may ${method} ${path}`, async () => {
        const { status, headers } = await preflight(LISTED_ORIGIN, path, method);
        assert.ok(status === 200 || status === 204, String(status));
        assert.equal(headers.get('access-control-allow-origin'), LISTED_ORIGIN);
        assert.ok(list(headers.get('access-control-allow-methods')).includes(method.toLowerCase()));
        const allowed = list(headers.get('access-control-allow-headers'));
        for (const header of SDK_HEADERS) assert.ok(allowed.includes(header), `${header} is not allowed`);
        assert.ok(list(headers.get('vary')).includes('origin'));
      });
    }

    it('its pages may read the version of an error, and so its code', async () => {
      const { status, headers, body } = await wrongCode({ headers: { origin: LISTED_ORIGIN } });
      assert.deepEqual([status, body.code], [403, 'otp_expired']);
      assert.equal(headers.get('access-control-allow-origin'), LISTED_ORIGIN);
      assert.ok(list(headers.get('access-control-expose-headers')).includes('x-supabase-api-version'));
      assert.equal(headers.get('x-supabase-api-version'), '2024-01-01');
    });

    it('a page of any other origin is allowed nothing', async () => {
      for (const origin of [UNLISTED_ORIGIN, `${LISTED_ORIGIN}.evil.example`, 'null']) {
        const asked = await preflight(origin, '/otp', 'POST');
        assert.equal(asked.headers.get('access-control-allow-origin'), null, origin);
        const sent = await wrongCode({ headers: { origin } });
        assert.equal(sent.headers.get('access-control-allow-origin'), null, origin);
        assert.ok(sent.status >= 400 && sent.status < 500);
      }
    });

    it('a page of any other origin sends no mail', async () => {
      const email = app.freshAddress();
      const { status } = await app.raw('POST', '/otp', { headers: { origin: UNLISTED_ORIGIN }, body: { email } });
      assert.equal(status, 403);
      assert.deepEqual(await app.codesSentTo(email), []);
    });

    it('no answer sets a cookie or is kept in a cache', async () => {
      const { headers } = await wrongCode();
      assert.equal(headers.get('set-cookie'), null);
      assert.match(headers.get('cache-control'), /no-store/);
    });
  });

  describe('errors', () => {
    it('have a string code and a message for today\'s clients', async () => {
      const { status, headers, body } = await wrongCode();
      assert.equal(status, 403);
      assert.equal(headers.get('x-supabase-api-version'), '2024-01-01');
      assert.equal(headers.get('x-sb-error-code'), 'otp_expired');
      assert.match(headers.get('content-type'), /^application\/json/);
      assert.deepEqual([body.code, body.message], ['otp_expired', 'Token has expired or is invalid']);
    });

    for (const version of [null, '2023-12-31', 'yesterday']) {
      it(`have the old shape when the version is ${version ?? 'missing'}`, async () => {
        const { status, headers, body } = await wrongCode({ version });
        assert.equal(status, 403);
        assert.equal(headers.get('x-supabase-api-version'), null);
        assert.equal(body.code, 403);
        assert.equal(body.error_code, 'otp_expired');
        assert.equal(body.msg, 'Token has expired or is invalid');
      });
    }

    it('name what is wrong with an address', async () => {
      for (const email of ['a', 'xx:;x@x.x', 'two@at@example.org']) {
        const answer = await app.client().auth.signInWithOtp({ email });
        refused(answer, 400, 'validation_failed');
        assert.equal(answer.error.message, 'Unable to validate email address: invalid format');
      }
    });

    it('come for a body that is not JSON', async () => {
      const response = await fetch(`${app.server.authUrl}/otp`, {
        method: 'POST',
        headers: { apikey: KEYS.reader, 'x-supabase-api-version': '2024-01-01', 'content-type': 'application/json' },
        body: '{',
      });
      assert.equal(response.status, 400);
      assert.equal((await response.json()).code, 'bad_json');
    });

    it('come as JSON for a route that does not exist', async () => {
      const { status, body } = await app.raw('GET', '/nowhere');
      assert.equal(status, 404);
      assert.equal(typeof body.code, 'string');
    });
  });

  describe('requests', () => {
    it('null is the same as absent, and unknown fields are ignored', async () => {
      const email = app.freshAddress();
      const { status, body } = await app.raw('POST', '/otp', {
        body: {
          email,
          phone: null,
          data: null,
          create_user: null,
          code_challenge: null,
          code_challenge_method: null,
          gotrue_meta_security: { captcha_token: null },
          something: 'else',
        },
      });
      assert.deepEqual([status, body], [200, {}]);
      const token = await app.mailbox.nthCode(email, 1);
      const verified = await app.raw('POST', '/verify', {
        body: { email, token, type: 'email', options: { redirectTo: null }, gotrue_meta_security: {} },
      });
      assert.equal(verified.status, 200);
    });

    it('an unusable bearer on a public route does no harm', async () => {
      for (const token of [KEYS.reader, 'eyJhbGciOiJub25lIn0.e30.', 'x']) {
        const { status } = await app.raw('POST', '/otp', { token, body: { email: app.freshAddress() } });
        assert.equal(status, 200, token);
      }
    });

    it('a publishable key is nobody on a user route', async () => {
      const { status, body } = await app.raw('GET', '/user', { token: KEYS.reader });
      assert.deepEqual([status, body.code], [403, 'bad_jwt']);
      assert.match(body.message, /^invalid JWT/);
    });

    it('the public metadata is there', async () => {
      const settings = await app.raw('GET', '/settings');
      assert.equal(settings.status, 200);
      assert.equal(settings.body.external.email, true);
      const health = await app.raw('GET', '/health');
      assert.equal(health.status, 200);
      assert.equal(typeof health.body.name, 'string');
    });
  });
}
