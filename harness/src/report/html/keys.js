'use strict';
(() => {
  const id = name => document.getElementById(name), all = query => [...document.querySelectorAll(query)];
  const search = id('search'), found = id('found'), filters = id('filters'), nothing = id('nothing');
  const rows = all('[data-row]'), listed = all('tr[data-row]'), words = rows.length ? [] : all('.f'), changes = all('.change');
  const buttons = filters ? [...filters.querySelectorAll('button')] : [], group = filters && filters.querySelector('select');
  let hits = [], at = -1, now = -1, only = '';
  search.form.hidden = false;
  if (filters) filters.hidden = false;
  const open = element => {
    for (let up = element.closest('details'); up; up = up.parentElement.closest('details')) up.open = true;
  };
  const show = element => { open(element); element.scrollIntoView({block: 'center'}); };
  const filter = text => {
    const wanted = group ? group.value : '';
    const of = row => !row.closest('tbody[id]') || ((!wanted || row.closest('tbody').id === wanted) && (!only || (row.dataset.is || '').split(' ').includes(only)));
    rows.forEach(row => { row.hidden = !(row.textContent.toLowerCase().includes(text) && of(row)); });
    const shown = listed.filter(row => !row.hidden).length, others = rows.length - listed.length && rows.filter(row => !row.hidden).length - shown;
    all('tbody[id]').forEach(body => { body.hidden = !body.querySelector('tr[data-row]:not([hidden])'); });
    const functions = id('functions');
    if (functions) functions.open = !!text && !!functions.querySelector('li:not([hidden])');
    if (nothing) nothing.hidden = shown > 0;
    found.value = text || only || wanted ? shown + ' of ' + listed.length + (text && others ? ', ' + others + (others === 1 ? ' function' : ' functions') : '') : '';
  };
  const look = () => {
    const text = search.value.trim().toLowerCase();
    if (rows.length) { filter(text); return; }
    hits.forEach(hit => hit.classList.remove('hit'));
    hits = []; at = -1;
    if (!text) { found.value = ''; return; }
    hits = words.filter(word => word.textContent.toLowerCase().includes(text));
    hits.forEach(hit => { hit.classList.add('hit'); open(hit); });
    found.value = hits.length ? hits.length + (hits.length === 1 ? ' hit' : ' hits') : 'not found on this page';
  };
  const next = () => {
    if (rows.length) { const row = rows.find(row => !row.hidden), link = row && row.querySelector('a'); if (link) link.focus(); return; }
    if (!hits.length) return;
    at = (at + 1) % hits.length;
    show(hits[at]);
    found.value = (at + 1) + ' of ' + hits.length;
  };
  const press = name => {
    only = name;
    buttons.forEach(button => button.setAttribute('aria-pressed', button.dataset.filter === name));
    look();
  };
  buttons.forEach(button => button.addEventListener('click', () => press(button.dataset.filter)));
  if (group) group.addEventListener('change', look);
  const reset = nothing && nothing.querySelector('button');
  if (reset) reset.addEventListener('click', () => { search.value = ''; group.value = ''; press(''); search.focus(); });
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
  const fold = state => all('details').forEach(one => { one.open = state; });
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
    const keys = {
      '/': () => search.focus(), n: () => step(1), p: () => step(-1), e: () => fold(true), c: () => fold(false),
      m: () => { location.href = 'index.html'; }, t: () => { location.href = 'timings.html'; },
    };
    const act = keys[event.key];
    if (act) { event.preventDefault(); act(); }
  });
  // The choice of a kernel opens its paths and folds those of other kernels.
  const choose = kernel => {
    all('details[data-kernels]').forEach(one => { one.open = one.dataset.kernels.split(' ').includes(kernel); });
    all('a[data-kernel]').forEach(link => {
      if (link.hash === '#' + kernel) link.setAttribute('aria-current', 'true'); else link.removeAttribute('aria-current');
    });
  };
  all('a[data-kernel]').forEach(link => link.addEventListener('click', event => {
    event.preventDefault();
    history.replaceState(null, '', link.hash);
    choose(link.hash.slice(1));
  }));
  const target = () => {
    const name = location.hash && decodeURIComponent(location.hash.slice(1)), one = name && id(name);
    if (!one) return;
    if (name.startsWith('kernel-')) { choose(name); return; }
    open(one);
    one.querySelectorAll(':scope>details').forEach(inner => { inner.open = true; });
    if (one.tagName === 'DETAILS') one.open = true;
    one.scrollIntoView({block: one.matches('h2,tbody') ? 'start' : 'center'});
  };
  addEventListener('hashchange', target);
  target();
})();
