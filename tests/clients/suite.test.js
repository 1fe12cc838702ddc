// The served OpenAPI documents, as tools read them: linted, turned into clients that then administer a real server, and
// held against what the server does. Run it with `tests/run clients`.

import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { program } from './lib/tools.js';
import { tool, World } from './lib/world.js';
import { KEYS } from '../node/server.js';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const world = new World();

// How long each document is held against the server. Longer finds more.
const FUZZ_SECONDS = process.env.DOORCODE_FUZZ_SECONDS ?? '60';
const CHECKS = [
  'not_a_server_error',
  'status_code_conformance',
  'content_type_conformance',
  'response_headers_conformance',
  'response_schema_conformance',
].join(',');

describe('the documents', { timeout: 1_800_000 }, () => {
  before(() => world.start(), { timeout: 180_000 });
  after(() => world.stop());

  for (const name of ['public', 'admin']) {
    it(`the ${name} document has no fault that a linter knows of`, async () => {
      const args = ['lint', `--config=${here('redocly.yaml')}`, world.documents[name]];
      await tool(process.execPath, [program('@redocly/cli', 'redocly'), ...args], {
        env: { REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
      });
    });
  }

  it('become a client for TypeScript, which passes its compiler and administers', async () => {
    const made = here('typescript/generated');
    await rm(made, { recursive: true, force: true });
    const generator = program('openapi-typescript', 'openapi-typescript');
    for (const [name, document] of Object.entries(world.documents)) {
      await tool(process.execPath, [generator, document, '-o', `${made}/${name}.d.ts`]);
    }
    await tool(process.execPath, [program('typescript', 'tsc'), '-p', here('typescript')]);
    const { story } = await import('./typescript/generated/story.js');
    assertTold(await story(await world.task()));
  });

  it('become a client for Python, which administers', async () => {
    const made = await world.folder('python');
    for (const [name, document] of Object.entries(world.documents)) {
      const args = ['generate', '--path', document, '--meta', 'none', '--config', here('python/generator.yaml')];
      const generator = ['-m', 'openapi_python_client', ...args, '--fail-on-warning'];
      await python([...generator, '--output-path', join(made, `doorcode_${name}`)]);
    }
    const told = await python([here('python/story.py')], { env: await world.task(), paths: [made] });
    assertTold(told.trim().split('\n'));
  });

  it('become a client for Rust, which administers', async () => {
    const manifest = here('rust/Cargo.toml');
    const told = await tool('cargo', ['run', '--quiet', '--locked', '--manifest-path', manifest], {
      env: {
        ...(await world.task()),
        DOORCODE_ADMIN_DOCUMENT: world.documents.admin,
        CARGO_TARGET_DIR: here('../../target/clients'),
      },
    });
    assertTold(told.trim().split('\n'));
  });

  for (const [name, base, away] of [['public', '', 'signOut'], ['admin', '/admin/v1', 'revokeServiceKey']]) {
    it(`the ${name} document is what the server does, whatever is sent`, async () => {
      const person = await world.signIn();
      const folder = await world.folder(`fuzz-${name}`); // it keeps a cache in the folder that it runs in
      const config = join(folder, 'schemathesis.toml');
      await writeFile(config, fuzzing({ token: person.token, key: world.key, apikey: KEYS.reader }));
      // An operation that would end the session or the key that all others are called with is left out.
      const what = ['--url', world.server.url + base, '--exclude-operation-id', away, '--checks', CHECKS];
      const how = ['--max-time', FUZZ_SECONDS, '--continue-on-failure', '--no-color', '--warnings', 'off'];
      const run = ['-m', 'schemathesis.cli', '--config-file', config, 'run', world.documents[name]];
      await python([...run, ...what, ...how, '--generation-database', 'none'], { cwd: folder });
    });
  }
});

/** The settings of Schemathesis: what proves a caller, by the document's own names. */
function fuzzing({ token, key, apikey }) {
  const schemes = ['ServiceKeyRead', 'ServiceKeySupport', 'ServiceKeyAdmin'];
  const proofs = [['AccessToken', token], ...schemes.map((scheme) => [scheme, key])];
  return [
    `headers = { apikey = "${apikey}" }`,
    ...proofs.map(([scheme, bearer]) => `[auth.openapi.${scheme}]\nbearer = "${bearer}"`),
  ].join('\n');
}

/** Runs Python with the packages that tests/run has installed. */
function python(args, { cwd, env = {}, paths = [] } = {}) {
  const { DOORCODE_TEST_TOOLS_PYTHON: program, DOORCODE_TEST_TOOLS_PYTHONPATH: packages } = process.env;
  if (!program) throw new Error('DOORCODE_TEST_TOOLS_PYTHON is not set: run this suite with tests/run');
  const PYTHONPATH = [...paths, packages].filter(Boolean).join(delimiter);
  return tool(program, ['-B', ...args], { cwd, env: { ...env, PYTHONPATH } });
}

/** What every client does, as the audit log has it: newest first. */
function assertTold(events) {
  const own = events.filter((event) => event.startsWith('service_key '));
  assert.deepEqual(own, ['service_key staff_added', 'service_key session_revoked'], events.join(', '));
}
