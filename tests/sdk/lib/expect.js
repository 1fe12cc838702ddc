// The shapes that clients rely on, as assertions.

import assert from 'node:assert/strict';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$/;

export { claimsOf } from '../../node/claims.js';

export function isUser(user, email) {
  assert.match(user.id, UUID);
  assert.equal(typeof user.aud, 'string');
  assert.equal(user.role, 'authenticated');
  assert.equal(user.email, email);
  assert.equal(user.phone, '', 'an unset phone is an empty string');
  assert.equal(user.is_anonymous, false);
  assert.deepEqual(user.app_metadata, { provider: 'email', providers: ['email'] });
  for (const name of ['created_at', 'updated_at', 'email_confirmed_at', 'confirmed_at', 'last_sign_in_at']) {
    assert.match(user[name], INSTANT, name);
  }
  const { user_metadata: metadata } = user;
  assert.equal(metadata.email, email);
  assert.equal(metadata.email_verified, true);
  assert.equal(metadata.phone_verified, false);
  assert.equal(metadata.sub, user.id);
  assert.equal(user.identities.length, 1);
  isIdentity(user.identities[0], user);
  for (const [name, value] of Object.entries(user)) assert.notEqual(value, null, `${name} is null, not left out`);
}

function isIdentity(identity, user) {
  assert.match(identity.identity_id, UUID);
  assert.equal(identity.id, user.id, "the identity's id is the provider's subject: the user");
  assert.equal(identity.user_id, user.id);
  assert.equal(identity.provider, 'email');
  assert.equal(identity.email, user.email);
  assert.equal(identity.identity_data.email, user.email);
  assert.equal(identity.identity_data.sub, user.id);
  for (const name of ['created_at', 'updated_at', 'last_sign_in_at']) assert.match(identity[name], INSTANT, name);
}

/** A session as it is on the wire, fresh from the server. */
export function isSession(session, email) {
  assert.equal(session.access_token.split('.').length, 3);
  assert.equal(session.token_type, 'bearer');
  assert.ok(Number.isInteger(session.expires_in) && session.expires_in >= 300, `expires_in ${session.expires_in}`);
  assert.ok(Number.isInteger(session.expires_at));
  const skew = session.expires_at - session.expires_in - Date.now() / 1000;
  assert.ok(Math.abs(skew) < 10, `expires_at is off by ${skew} s`);
  assert.equal(typeof session.refresh_token, 'string');
  assert.ok(session.refresh_token.length >= 12);
  isUser(session.user, email);
}

/** The claims of an access token of this site. */
export function areClaims(claims, { issuer, user, kind }) {
  assert.equal(claims.iss, issuer);
  assert.equal(claims.sub, user.id);
  assert.equal(typeof claims.aud, 'string');
  assert.equal(claims.role, 'authenticated');
  assert.equal(claims.email, user.email);
  assert.equal(claims.phone, '');
  assert.equal(claims.aal, 'aal1');
  assert.equal(claims.amr[0].method, 'otp');
  assert.ok(Number.isInteger(claims.amr[0].timestamp));
  assert.match(claims.session_id, UUID);
  assert.equal(claims.is_anonymous, false);
  assert.equal(claims.site_kind, kind);
  assert.ok(Number.isInteger(claims.iat) && Number.isInteger(claims.exp) && claims.exp > claims.iat);
  assert.deepEqual(claims.app_metadata, user.app_metadata);
  assert.deepEqual(claims.user_metadata, user.user_metadata);
}

/** The answer of a client: this error and nothing else. */
export function refused({ data, error }, status, code) {
  assert.ok(error, 'it was accepted');
  assert.deepEqual({ status: error.status, code: error.code }, { status, code }, error.message);
  assert.equal(data?.session ?? null, null);
  assert.equal(data?.user ?? null, null);
}

/** The answer of a client: no error. Returns its data. */
export function accepted({ data, error }) {
  assert.equal(error, null, `refused: ${error?.status} ${error?.code} ${error?.message}`);
  return data;
}

/** A session that has ended: its access token is not taken by user routes, its refresh token by nothing. */
export async function isOver(app, session, site = 'reader') {
  const user = await app.raw('GET', '/user', { site, token: session.access_token });
  assert.deepEqual([user.status, user.body.code], [403, 'session_not_found']);
  const refresh = await app.raw('POST', '/token?grant_type=refresh_token', {
    site,
    body: { refresh_token: session.refresh_token },
  });
  assert.equal(refresh.status, 400);
  assert.ok(
    ['session_not_found', 'refresh_token_not_found', 'refresh_token_already_used'].includes(refresh.body.code),
    refresh.body.code,
  );
}

/** A session that lives: user routes take its access token. */
export async function isAlive(app, session, site = 'reader') {
  const { status, body } = await app.raw('GET', '/user', { site, token: session.access_token });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.id, session.user.id);
}
