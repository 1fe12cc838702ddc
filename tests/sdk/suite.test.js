// Every story, told twice: on PostgreSQL, Redis and SMTP, and on the embedded set-up that needs nothing beside it.
// Run it with `tests/run sdk`. DOORCODE_SDK_BACKEND=services or embedded picks one of the two.

import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'node:test';
import { App } from './lib/app.js';
import { Embedded, Services } from '../node/backend.js';
import { accountStories } from './stories/account.js';
import { adminStories } from './stories/admin.js';
import { codeStories } from './stories/codes.js';
import { createClientStories } from './stories/create_client.js';
import { deletionStories } from './stories/deletion.js';
import { emailChangeStories } from './stories/email_change.js';
import { linkStories } from './stories/links.js';
import { refreshStories } from './stories/refresh.js';
import { signInStories } from './stories/sign_in.js';
import { signOutStories } from './stories/sign_out.js';
import { siteStories } from './stories/sites.js';
import { wireStories } from './stories/wire.js';

const backends = { services: Services, embedded: Embedded };
const only = process.env.DOORCODE_SDK_BACKEND;
if (only && !backends[only]) throw new Error(`DOORCODE_SDK_BACKEND is ${only}, not services or embedded`);

for (const [name, Backend] of Object.entries(backends)) {
  if (only && only !== name) continue;
  const app = new App(new Backend());

  describe(`on ${app.backend.name}`, { timeout: 600_000 }, () => {
    let failed = false;

    before(() => app.start(), { timeout: 180_000 });
    afterEach((test) => (failed ||= test.passed === false));
    after(async () => {
      await app.server?.stop();
      await app.backend.close();
      if (failed) console.log(`end of the server's log:\n${app.server.logTail()}`);
    });

    signInStories(app);
    codeStories(app);
    refreshStories(app);
    signOutStories(app);
    accountStories(app);
    emailChangeStories(app);
    deletionStories(app);
    linkStories(app);
    siteStories(app);
    wireStories(app);
    createClientStories(app);
    adminStories(app);

    describe('the server', () => {
      it('has logged no token and no whole address', () => {
        const log = app.server.log();
        assert.ok(app.secrets.size > 100, 'the stories above left nothing to look for');
        const found = [...app.secrets].filter((secret) => log.includes(secret));
        assert.deepEqual(found, []);
      });

      it('stops when it is told to, with success', async () => {
        assert.equal(await app.server.stop(), 0);
      });
    });
  });
}
