'use strict';
(() => {
  const search = document.getElementById('search'), found = document.getElementById('found');
  const rows = [...document.querySelectorAll('[data-row]')];
  const words = rows.length ? [] : [...document.querySelectorAll('.f')];
  const changes = [...document.querySelectorAll('.change')];
  let hits = [], at = -1, now = -1;
  const open = element => {
    for (let up = element.closest('details'); up; up = up.parentElement.closest('details')) up.open = true;
  };
  const show = element => { open(element); element.scrollIntoView({block: 'center'}); };
  const look = () => {
    const text = search.value.trim().toLowerCase();
    hits.forEach(hit => hit.classList.remove('hit'));
    hits = []; at = -1;
    if (rows.length) {
      let count = 0;
      rows.forEach(row => { row.hidden = !row.textContent.toLowerCase().includes(text); count += !row.hidden; });
      const functions = document.getElementById('functions');
      if (functions) functions.open = !!text && !!functions.querySelector('li:not([hidden])');
      found.value = text ? count + ' of ' + rows.length : '';
      return;
    }
    if (!text) { found.value = ''; return; }
    hits = words.filter(word => word.textContent.toLowerCase().includes(text));
    hits.forEach(hit => { hit.classList.add('hit'); open(hit); });
    found.value = hits.length + (hits.length === 1 ? ' hit' : ' hits');
  };
  const next = () => {
    if (rows.length) { const row = rows.find(row => !row.hidden); const link = row && row.querySelector('a'); if (link) link.focus(); return; }
    if (!hits.length) return;
    at = (at + 1) % hits.length;
    show(hits[at]);
    found.value = (at + 1) + ' of ' + hits.length;
  };
  const step = by => {
    if (!changes.length) return;
    if (now >= 0) changes[now].classList.remove('now');
    now = now < 0 ? (by > 0 ? 0 : changes.length - 1) : (now + by + changes.length) % changes.length;
    changes[now].classList.add('now');
    show(changes[now]);
    changes[now].focus({preventScroll: true});
  };
  search.form.addEventListener('submit', event => { event.preventDefault(); next(); });
  search.addEventListener('input', look);
  search.addEventListener('keydown', event => { if (event.key === 'Escape') { search.value = ''; look(); search.blur(); } });
  const all = state => document.querySelectorAll('details').forEach(one => { one.open = state; });
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === 'INPUT') return;
    const keys = {
      '/': () => search.focus(), n: () => step(1), p: () => step(-1), e: () => all(true), c: () => all(false),
      m: () => { location.href = 'index.html'; }, t: () => { location.href = 'timings.html'; },
    };
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  const target = () => { const one = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1))); if (one) { open(one); if (one.tagName === 'DETAILS') one.open = true; one.scrollIntoView({block: 'center'}); } };
  addEventListener('hashchange', target);
  target();
})();
