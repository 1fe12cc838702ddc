// Administering with the client for TypeScript, as openapi-typescript and openapi-fetch make it from the documents:
// finds somebody, ends their session, makes them staff, and finds all of it in the audit log.

import createClient from 'openapi-fetch';
import type { paths as AdminPaths } from './generated/admin.js';
import type { paths as PublicPaths } from './generated/public.js';

export interface Task {
  SERVER: string;
  SERVICE_KEY: string;
  SITE_KEY: string;
  EMAIL: string;
  USER_ID: string;
  ACCESS_TOKEN: string;
  LIBRARY: string;
}

/** The answer of a call that has to succeed. */
function expectData<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.data === undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data;
}

export async function story(task: Task): Promise<string[]> {
  const admin = createClient<AdminPaths>({
    baseUrl: `${task.SERVER}/admin/v1`,
    headers: { Authorization: `Bearer ${task.SERVICE_KEY}` },
  });
  const app = createClient<PublicPaths>({
    baseUrl: task.SERVER,
    headers: { apikey: task.SITE_KEY, Authorization: `Bearer ${task.ACCESS_TOKEN}` },
  });

  // Who: by the beginning of the address.
  const users = expectData(await admin.GET('/users', { params: { query: { email: task.EMAIL } } }));
  const [user] = users.items;
  if (users.items.length !== 1 || user?.id !== task.USER_ID) throw new Error('not the one who signed in');

  // Their session ends at once.
  const me = expectData(await app.GET('/auth/v1/user'));
  if (me.email !== task.EMAIL) throw new Error('the token is somebody else\'s');
  const path = { id: user.id };
  const sessions = expectData(await admin.GET('/users/{id}/sessions', { params: { path } }));
  const [session] = sessions.items;
  if (sessions.items.length !== 1 || session === undefined) throw new Error('not one session');
  const gone = await admin.DELETE('/sessions/{id}', { params: { path: { id: session.id } } });
  if (gone.response.status !== 204) throw new Error(`the session stays: ${gone.response.status}`);
  const refused = await app.GET('/auth/v1/user');
  if (refused.error?.error_code !== 'session_not_found') throw new Error('the token still works');

  // Staff of a new library.
  const library = expectData(
    await admin.POST('/libraries', { body: { name: 'Central Library', code: task.LIBRARY } }),
  );
  const record = expectData(
    await admin.POST('/libraries/{id}/staff', {
      params: { path: { id: library.id }, header: { 'Idempotency-Key': `staff-${user.id}` } },
      body: { user_id: user.id, role: 'librarian' },
    }),
  );
  if (record.role !== 'librarian' || record.email !== task.EMAIL) throw new Error('another role or person');
  const again = await admin.POST('/libraries/{id}/staff', {
    params: { path: { id: library.id } },
    body: { user_id: user.id, role: 'librarian' },
  });
  if (again.error?.code !== 'already_exists') throw new Error(`twice on the staff: ${again.error?.code}`);

  // What the log says of it, newest first.
  const events = expectData(await admin.GET('/audit', { params: { query: { target: user.id } } }));
  return events.items.map((event) => `${event.actor_kind} ${event.action}`);
}
