// Web servers beside ours, on one port: the applications that people come from and go to, and pages that mean harm.

import { once } from 'node:events';
import { createServer } from 'node:http';

const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);

/** A page with a form for somebody else's server: `/form?action=…`, every other parameter a field. */
function formPage(query) {
  const { action, ...fields } = Object.fromEntries(query);
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${escape(name)}" value="${escape(value)}">`,
  );
  return `<form method="post" action="${escape(action)}">${inputs.join('')}<button type="submit">Win a prize</button></form>`;
}

/** A page with a link: `/link?to=…`. */
function linkPage(query) {
  return `<a href="${escape(query.get('to'))}">There</a>`;
}

export class Neighbours {
  async start() {
    this.server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url, 'http://neighbour');
      const pages = { '/form': formPage, '/link': linkPage };
      const body = pages[pathname]?.(searchParams) ?? `This is ${escape(pathname)}`;
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
      response.end(`<!doctype html><html lang="en"><title>Neighbour</title>${body}`);
    }).listen(0, '127.0.0.1');
    await once(this.server, 'listening');
    const { port } = this.server.address();
    /** What readers use after they have signed in; an origin that the reader site lists. */
    this.books = `http://books.localhost:${port}`;
    /** What staff use; an origin that the management site lists. */
    this.desk = `http://desk.localhost:${port}`;
    /** Nobody that we know. */
    this.foreign = `http://evil.localhost:${port}`;
    /** Nobody that we know, on a host below the reader site's own: to browsers the same site. */
    this.sibling = `http://evil.reader.localhost:${port}`;
  }

  stop() {
    this.server?.close();
    this.server?.closeAllConnections();
  }
}
