// What the console does better with a script. Each page works without it.
'use strict';

(() => {
  const EVERY_MS = 5_000;
  // A forgotten window stops asking: what it asks counts as a visit, and must not keep a session alive for ever.
  const LONGEST_MS = 30 * 60 * 1000;

  // A link that shows the page anew becomes a button that keeps a part of it up to date.
  for (const link of document.querySelectorAll('a[data-follow]')) {
    const { follow: id } = link.dataset;
    const button = document.createElement('button');
    button.type = 'button';
    button.className = link.className;
    const said = document.createElement('span');
    said.className = 'unseen';
    said.setAttribute('role', 'status');
    link.replaceWith(button, said);
    let timer;
    let until = 0;

    const show = () => {
      button.textContent = timer ? 'Stop following' : 'Follow';
    };

    const stop = (words) => {
      clearInterval(timer);
      timer = undefined;
      said.textContent = words;
      show();
    };

    async function refresh() {
      if (document.hidden) return;
      if (performance.now() > until) {
        stop('It is no longer followed.');
        return;
      }
      const place = document.getElementById(id);
      // Somebody is reading what they have opened, or is on their way through it.
      if (place.querySelector('details[open]') || place.contains(document.activeElement)) return;
      try {
        const answer = await fetch(location.href, { cache: 'no-store', redirect: 'error' });
        if (!answer.ok) throw new Error(String(answer.status));
        const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
        const next = page.getElementById(id);
        if (next && next.innerHTML !== place.innerHTML) place.replaceChildren(...next.childNodes);
      } catch {
        stop('It could not be followed: reload the page.');
      }
    }

    button.addEventListener('click', () => {
      if (timer) {
        stop('It is no longer followed.');
        return;
      }
      until = performance.now() + LONGEST_MS;
      timer = setInterval(refresh, EVERY_MS);
      said.textContent = 'It is followed.';
      show();
      refresh();
    });
    show();
  }
})();
