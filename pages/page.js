// What the pages do better with a script. Each of them works without it: nothing here is needed, nothing is decided.
'use strict';

(() => {
  const words = document.body.dataset;

  // A button that was pressed says so and cannot be pressed again. It is not disabled: a disabled one is not sent.
  const busy = new WeakSet();
  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (form.classList.contains('languages')) return;
    if (busy.has(form)) {
      event.preventDefault();
      return;
    }
    busy.add(form);
    const button = event.submitter || form.querySelector('button[type="submit"]');
    if (!button) return;
    // After the values of the form were taken, which include the button's own.
    setTimeout(() => showWork(form, button));
  });

  function showWork(form, button) {
    const label = button.textContent;
    const width = button.offsetWidth;
    if (button.classList.contains('button')) button.style.minWidth = `${width}px`;
    button.textContent = words.working;
    button.setAttribute('aria-busy', 'true');
    const progress = document.createElement('p');
    progress.className = 'progress';
    progress.setAttribute('role', 'status');
    form.append(progress);
    const timers = [
      setTimeout(() => { progress.textContent = words.still; }, 5000),
      setTimeout(() => { progress.textContent = words.long; }, 15000),
      // The answer was lost, or never comes: let the person try again.
      setTimeout(restore, 45000),
    ];
    function restore() {
      timers.forEach(clearTimeout);
      progress.remove();
      button.textContent = label;
      button.style.minWidth = '';
      button.removeAttribute('aria-busy');
      busy.delete(form);
    }
    // Coming back with the back button shows the page as it was left; so does a download, which leaves nothing.
    window.addEventListener('pageshow', (event) => { if (event.persisted) restore(); }, { once: true });
  }

  // Six digits, typed or pasted or filled in from the mail, are sent at once: one time, so that a wrong code can be
  // corrected in peace. The wait is for those who are typing a longer code.
  let sent = false;
  for (const field of document.querySelectorAll('[data-code]')) {
    let timer;
    field.addEventListener('input', () => {
      clearTimeout(timer);
      if (sent || !/^\d{6}$/.test(field.value.replace(/[\s-]/g, ''))) return;
      timer = setTimeout(() => {
        sent = true;
        field.form.requestSubmit();
      }, 350);
    });
  }

  // The seconds until another mail can be asked for. The text has one number, in every language.
  for (const text of document.querySelectorAll('[data-countdown]')) {
    const button = text.closest('form').querySelector('button');
    const end = performance.now() + Number(text.dataset.countdown) * 1000;
    const pattern = text.textContent;
    button.disabled = true;
    const tick = () => {
      const left = Math.ceil((end - performance.now()) / 1000);
      if (left > 0) {
        const more = /\d+/.test(pattern) ? pattern.replace(/\d+/, String(left)) : pattern;
        text.textContent = left === 1 ? text.dataset.one : more;
        return;
      }
      clearInterval(timer);
      button.disabled = false;
      // Said once; the seconds before are not, as they would talk over everything else.
      text.setAttribute('role', 'status');
      text.textContent = text.dataset.ready;
    };
    const timer = setInterval(tick, 1000);
    tick();
  }
})();
