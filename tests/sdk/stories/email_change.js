// Changing the address of an account, as an application does it.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { accepted, isOver, isSession, isUser, refused } from '../lib/expect.js';

const otherThan = (...codes) => {
  let code = Number(codes[0]);
  do code = (code + 1) % 1_000_000;
  while (codes.map(Number).includes(code));
  return String(code).padStart(6, '0');
};

export function emailChangeStories(app) {
  /** Somebody who has asked for another address: their client, both addresses and both codes. */
  const asking = async (options) => {
    const [from, to] = [app.freshAddress('from'), app.freshAddress('to')];
    const person = await app.signIn(from);
    const { user } = accepted(await person.auth.updateUser({ email: to }, options));
    const codes = { [from]: await app.mailbox.nthCode(from, 2), [to]: await app.mailbox.nthCode(to, 1) };
    return { ...person, from, to, codes, asked: user };
  };
  const verify = ({ auth, codes }, email) => auth.verifyOtp({ email, token: codes[email], type: 'email_change' });

  describe('changing the address', () => {
    for (const order of [['from', 'to'], ['to', 'from']]) {
      it(`takes both codes, in the order ${order.join(', ')}`, async () => {
        const person = await asking();
        const { from, to, asked, session, http, auth } = person;
        assert.deepEqual([asked.email, asked.new_email], [from, to]);
        assert.match(asked.email_change_sent_at, /Z$/);
        const first = accepted(await verify(person, person[order[0]]));
        assert.deepEqual([first.session, first.user], [null, null]);
        assert.deepEqual(http.last.body, {
          code: '200',
          msg: 'Confirmation link accepted. Please proceed to confirm link sent to the other email',
        });
        assert.equal(accepted(await auth.getUser()).user.email, from);

        const second = accepted(await verify(person, person[order[1]]));
        isSession(second.session, to);
        isUser(second.user, to);
        assert.equal(second.user.id, asked.id);
        await isOver(app, session);
        const now = accepted(await auth.getUser()).user; // the client goes on with the new session
        assert.deepEqual([now.email, now.new_email], [to, undefined]);
        const notice = await app.mailbox.nth(from, 3);
        assert.match(notice.subject, /was changed/);
        assert.equal((await app.signIn(to)).user.id, asked.id);
      });
    }

    it('a wrong code is refused, and one address cannot use the code of the other', async () => {
      const person = await asking();
      const { auth, from, to, codes } = person;
      const token = otherThan(codes[from], codes[to]);
      for (const email of [from, to]) {
        refused(await auth.verifyOtp({ email, token, type: 'email_change' }), 403, 'otp_expired');
        refused(await auth.verifyOtp({ email, token: codes[email], type: 'email' }), 403, 'otp_expired');
      }
      if (codes[from] !== codes[to]) {
        refused(await auth.verifyOtp({ email: from, token: codes[to], type: 'email_change' }), 403, 'otp_expired');
      }
      accepted(await verify(person, from));
      assert.equal(accepted(await verify(person, to)).user.email, to);
    });

    it('a taken address is refused, and the same address is no change', async () => {
      const taken = app.freshAddress('taken');
      await app.signIn(taken);
      const email = app.freshAddress();
      const person = await app.signIn(email);
      const answer = await app.patiently(person, () => person.auth.updateUser({ email: taken }));
      refused(answer, 422, 'email_exists');
      assert.equal(answer.error.message, 'A user with this email address has already been registered');
      const { user } = accepted(await person.auth.updateUser({ email }));
      assert.deepEqual([user.email, user.new_email], [email, undefined]);
      assert.deepEqual([await app.mailbox.count(email), await app.mailbox.count(taken)], [1, 1]);
    });

    it('both mails can be asked for again', async () => {
      const person = await asking();
      const { auth, from, to, codes } = person;
      const resend = () => auth.resend({ type: 'email_change', email: from });
      accepted(await app.patiently(person, resend));
      person.codes = { [from]: await app.mailbox.nthCode(from, 3), [to]: await app.mailbox.nthCode(to, 2) };
      if (![person.codes[to], person.codes[from]].includes(codes[to])) {
        refused(await auth.verifyOtp({ email: to, token: codes[to], type: 'email_change' }), 403, 'otp_expired');
      }
      accepted(await verify(person, to));
      assert.equal(accepted(await verify(person, from)).user.email, to);
    });

    it('an address without a change gets the same answer', async () => {
      const { auth, http } = app.client();
      accepted(await auth.resend({ type: 'email_change', email: app.freshAddress() }));
      assert.deepEqual([http.last.status, http.last.body], [200, {}]);
    });

    it('metadata can be changed in the same call', async () => {
      const [from, to] = [app.freshAddress(), app.freshAddress('to')];
      const { auth } = await app.signIn(from);
      const { user } = accepted(await auth.updateUser({ email: to, data: { name: 'Ada' } }));
      assert.deepEqual([user.new_email, user.user_metadata.name], [to, 'Ada']);
    });
  });
}
