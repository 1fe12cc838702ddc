// Tries operations out: sends what a form says to this server and shows what it answers.
//
// The key is in its field and nowhere else. Cookies are left out, so that nothing is done in the name of whoever is
// signed in here.
'use strict';

(() => {
  for (const part of document.querySelectorAll('.try')) part.hidden = false;
  const valueOf = (id) => document.getElementById(id)?.value.trim() ?? '';

  /** What a form says, as a request. */
  function requestOf(form) {
    let path = form.dataset.path;
    const query = new URLSearchParams();
    const headers = new Headers({ accept: 'application/json' });
    for (const field of form.querySelectorAll('[data-in]')) {
      const value = field.value.trim();
      if (!value) continue;
      const { in: place, name } = field.dataset;
      if (place === 'path') path = path.replace(`{${name}}`, encodeURIComponent(value));
      else if (place === 'query') query.append(name, value);
      else if (place === 'header') headers.set(name, value);
    }
    const bearer = valueOf('bearer');
    if (bearer) headers.set('authorization', `Bearer ${bearer}`);
    const apikey = valueOf('apikey');
    if (apikey) headers.set('apikey', apikey);
    const body = form.querySelector('[data-body]')?.value;
    if (body !== undefined) headers.set('content-type', 'application/json');
    const search = query.size ? `?${query}` : '';
    const { method } = form.dataset;
    return [path + search, { method, headers, body, credentials: 'omit', cache: 'no-store', redirect: 'manual' }];
  }

  /** An element with text, never with markup. */
  function element(name, text, className = '') {
    const made = document.createElement(name);
    made.textContent = text;
    made.className = className;
    return made;
  }

  function pretty(text) {
    try {
      return JSON.stringify(JSON.parse(text), null, 2);
    } catch {
      return text;
    }
  }

  async function send(form) {
    const place = form.querySelector('.answer');
    const begun = performance.now();
    place.replaceChildren(element('p', 'Sending…', 'soft'));
    try {
      const answer = await fetch(...requestOf(form));
      const text = await answer.text();
      const took = Math.round(performance.now() - begun);
      const line = element('p', `${answer.status} ${answer.statusText}`.trim(), answer.ok ? 'status good' : 'status bad');
      line.append(element('span', ` in ${took} ms`, 'soft'));
      const names = ['etag', 'retry-after', 'x-request-id', 'location'];
      const headers = names.flatMap((name) => (answer.headers.get(name) ? [`${name}: ${answer.headers.get(name)}`] : []));
      const shown = element('pre', [headers.join('\n'), pretty(text)].filter(Boolean).join('\n\n'));
      shown.tabIndex = 0;
      shown.setAttribute('aria-label', 'Answer');
      place.replaceChildren(line, shown);
    } catch (error) {
      place.replaceChildren(element('p', `It could not be sent: ${error.message}`, 'status bad'));
    }
  }

  document.addEventListener('submit', (event) => {
    if (!event.target.matches('form.request')) return;
    event.preventDefault();
    send(event.target);
  });

  // A creation that is sent twice by mistake happens once.
  for (const field of document.querySelectorAll('[data-name="Idempotency-Key"]')) field.value = crypto.randomUUID?.() ?? '';

  // A link to an operation opens it.
  const open = () => {
    const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (named?.matches('details')) named.open = true;
  };
  addEventListener('hashchange', open);
  open();
})();
