// What pages can do better with a script. Every page works without it: it adds to the HTML
// that the server sent, and asks only this server. It writes texts, never HTML.
'use strict';
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const set = (e, attributes) => {
    for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
    return e;
  };
  const make = (name, attributes = {}, text = '') => {
    const e = set(document.createElement(name), attributes);
    e.textContent = text;
    return e;
  };
  const quiet = text => make('button', { type: 'button', class: 'quiet noprint' }, text);
  // For screen readers.
  const said = make('p', { class: 'hidden', role: 'status' });
  document.body.append(said);
  const say = text => { said.textContent = text; };

  // Copy buttons. Browsers allow them on https and on localhost.
  if (navigator.clipboard) {
    for (const e of all('pre:not([data-result]), [data-copy]')) {
      const button = quiet('Copy');
      button.classList.add('copy');
      if (e.tagName !== 'PRE') button.setAttribute('aria-label', 'Copy ' + e.textContent);
      button.onclick = () => navigator.clipboard.writeText(e.textContent).then(
        () => { button.textContent = 'Copied'; say('Copied'); }, () => { button.textContent = 'Not allowed'; });
      e.tagName === 'PRE' ? e.before(button) : e.after(' ', button);
    }
  }

  // Sorting: the heads of a whole table become buttons. Cells that are numbers are compared
  // as numbers, and cells with a machine-readable time by that.
  const key = cell => {
    const time = cell.querySelector('time');
    const text = time ? time.dateTime : cell.innerText.trim();
    const number = parseFloat(text.replace(/[,\s]/g, ''));
    return !time && /^[-\d]/.test(text) && !isNaN(number) ? number : text;
  };
  for (const table of all('table[data-sort]')) {
    all('thead th', table).forEach((th, column) => {
      const button = make('button', { type: 'button', class: 'sort' }, th.textContent);
      th.replaceChildren(button);
      button.onclick = () => {
        const down = th.getAttribute('aria-sort') === 'ascending';
        all('thead th', table).forEach(other => other.removeAttribute('aria-sort'));
        th.setAttribute('aria-sort', down ? 'descending' : 'ascending');
        const keyed = [...table.tBodies[0].rows].map(row => [key(row.cells[column]), row]);
        keyed.sort(([a], [b]) => (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b))) * (down ? -1 : 1));
        table.tBodies[0].append(...keyed.map(([, row]) => row));
      };
    });
  }

  // Type-ahead: a field with a list of values shows those that have all the words typed.
  all('input[list]').forEach((input, n) => {
    const values = [...input.list.options].map(option => option.value);
    const box = make('ul', { role: 'listbox', id: 'ahead-' + n, class: 'ahead', 'aria-label': 'Values' });
    let at = -1;
    input.removeAttribute('list');
    set(input, { role: 'combobox', 'aria-autocomplete': 'list', 'aria-controls': box.id, 'aria-expanded': 'false' });
    const close = () => { box.remove(); at = -1; input.setAttribute('aria-expanded', 'false'); input.removeAttribute('aria-activedescendant'); };
    const take = text => { input.value = text; close(); };
    const show = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = values.filter(value => words.every(word => value.toLowerCase().includes(word))).slice(0, 30);
      close();
      if (!found.length || found.length === 1 && found[0] === input.value) return;
      box.replaceChildren(...found.map((value, i) => {
        const option = make('li', { role: 'option', id: box.id + '-' + i, 'aria-selected': 'false' }, value);
        option.onpointerdown = event => { event.preventDefault(); take(value); };
        return option;
      }));
      input.after(box);
      input.setAttribute('aria-expanded', 'true');
    };
    input.addEventListener('input', show);
    input.addEventListener('blur', close);
    input.addEventListener('keydown', event => {
      const options = box.isConnected ? [...box.children] : [];
      if (event.key === 'Escape' && options.length) close();
      else if (event.key === 'Enter' && at >= 0 && options[at]) take(options[at].textContent);
      else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        if (!options.length) show();
        else {
          options[at]?.setAttribute('aria-selected', 'false');
          at = (at + (event.key === 'ArrowDown' ? 1 : at < 0 ? 0 : -1) + options.length) % options.length;
          options[at].setAttribute('aria-selected', 'true');
          options[at].scrollIntoView({ block: 'nearest' });
          input.setAttribute('aria-activedescendant', options[at].id);
        }
      } else return;
      event.preventDefault();
    });
  });

  // Tooltips: the title of a mark of a picture, at once and under a finger, too.
  const tip = make('div', { class: 'tip', 'aria-hidden': 'true', hidden: '' });
  document.body.append(tip);
  const titles = new Map(); // the browser's own tooltip would come on top
  for (const svg of all('figure svg')) {
    const over = event => {
      const mark = event.target, title = mark !== svg && mark.querySelector(':scope > title');
      if (title) { titles.set(mark, title.textContent); title.remove(); }
      const text = titles.get(mark);
      tip.hidden = !text;
      if (!text) return;
      tip.textContent = text;
      tip.style.left = Math.max(4, Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 4)) + 'px';
      tip.style.top = Math.max(4, event.clientY - tip.offsetHeight - 12) + 'px';
    };
    svg.addEventListener('pointermove', over);
    svg.addEventListener('pointerdown', over);
    svg.addEventListener('pointerleave', () => { tip.hidden = true; });
  }

  // A picture as PNG: the server's SVG in light colours, through a canvas.
  for (const link of all('.downloads a[download$=".svg"]')) {
    const button = quiet('Picture (PNG)');
    const item = make('li');
    item.append(button, ': a picture of pixels');
    link.parentElement.after(item);
    button.onclick = async () => {
      try {
        const from = new URL(link.href);
        from.searchParams.set('_theme', 'light');
        const answer = await fetch(from);
        if (!answer.ok) throw new Error(answer.statusText);
        const image = new Image();
        image.src = URL.createObjectURL(await answer.blob());
        await image.decode();
        const canvas = make('canvas');
        canvas.width = 1600;
        canvas.height = Math.round(1600 * image.naturalHeight / image.naturalWidth);
        canvas.getContext('2d').drawImage(image, 0, 0, canvas.width, canvas.height);
        URL.revokeObjectURL(image.src);
        make('a', { href: canvas.toDataURL(), download: link.download.replace(/svg$/, 'png') }).click();
        say('The picture was saved');
      } catch (error) { button.textContent = 'There is no PNG: ' + error.message; }
    };
  }

  // Live jobs. Browsers open six connections to a server, so four jobs are followed at once.
  const words = { queued: 'waiting', running: 'running', done: 'done', failed: 'no result', cancelled: 'cancelled' };
  const followed = all('[data-events]');
  const follow = () => {
    const e = followed.shift();
    if (!e) return;
    const state = e.querySelector('[data-state]'), took = e.querySelector('[data-took]');
    const events = new EventSource(e.dataset.events);
    const tell = event => {
      const job = JSON.parse(event.data);
      state.textContent = words[job.status] || job.status;
      const ms = job.running_ms || new Date(job.finished) - new Date(job.started);
      if (took && ms) took.textContent = (ms / 1000).toFixed(1) + ' s';
      return job;
    };
    events.addEventListener('state', tell);
    events.addEventListener('progress', tell);
    events.addEventListener('end', event => {
      const job = tell(event);
      events.close();
      follow();
      if ('whole' in e.dataset) location.reload();
      const acts = e.querySelector('.acts');
      if (acts) acts.replaceChildren(make('a', { href: job.location || e.querySelector('a').href }, job.location ? 'Result' : 'See why'));
      say('A job is ' + (words[job.status] || job.status));
    });
    events.onerror = () => { if (events.readyState === EventSource.CLOSED) follow(); };
  };
  for (let i = 0; i < 4; i++) follow();

  // A form that waits for an answer says so, and can be stopped.
  for (const form of all('form.ask')) {
    form.addEventListener('submit', () => {
      const stop = quiet('Cancel');
      const note = make('p', { role: 'status' }, 'The answer is being computed. ');
      note.append(stop);
      form.append(note);
      stop.onclick = () => { window.stop(); note.remove(); };
      addEventListener('pageshow', () => note.remove());
    });
  }

  // The reference: a form that sends what forms alone cannot: JSON, DELETE, a part of a path.
  for (const form of all('form[data-send]')) {
    form.hidden = false;
    form.addEventListener('submit', async event => {
      event.preventDefault();
      const given = new FormData(form);
      let path = form.dataset.send;
      const query = new URLSearchParams();
      for (const [name, value] of given) {
        if (name === 'body' || !value) continue;
        if (path.includes('{' + name + '}')) path = path.replace('{' + name + '}', encodeURIComponent(value));
        else query.set(name, value);
      }
      const out = form.querySelector('[data-result]');
      out.hidden = false;
      out.textContent = 'Sent. Waiting for the answer.';
      try {
        const body = given.get('body');
        const answer = await fetch(path + (query.size ? '?' + query : ''), { method: form.dataset.method, body, headers: body === null ? {} : { 'Content-Type': 'application/json' } });
        const text = await answer.text();
        out.textContent = answer.status + ' ' + answer.statusText + '\n' + text.slice(0, 20000);
      } catch (error) { out.textContent = 'There was no answer: ' + error.message; }
    });
  }
})();
