'use strict';
(() => {
  const LEFT = 108, WIDTH = 1200, CHARACTER = 6.3, MOST = 64;
  const number = (element, name) => +element.getAttribute(name);
  const links = new Map();
  for (const svg of document.querySelectorAll('svg.seq')) {
    const box = svg.parentElement, height = svg.getAttribute('height'), top = svg.viewBox.baseVal.y;
    let factor = 1;
    // What moves: each element with a function that places it for a factor.
    const placed = [];
    const at = (x, k) => LEFT + (x - LEFT) * k;
    for (const rect of svg.querySelectorAll('g>rect,a>rect')) {
      const x = number(rect, 'x'), width = number(rect, 'width'), one = rect.parentNode;
      const name = one.querySelector('title').textContent.replace(/(: [\d,]+| ×\d+: [\d,]+)$/, '');
      let text = one.querySelector('text');
      const inset = text ? number(text, 'x') - x : 2;
      placed.push(k => {
        rect.setAttribute('x', at(x, k)); rect.setAttribute('width', width * k);
        const fits = Math.floor((width * k - 4) / CHARACTER);
        if (!text && fits >= 3) {
          text = document.createElementNS(svg.namespaceURI, 'text');
          text.setAttribute('y', number(rect, 'y') + (number(rect, 'height') > 20 ? 16 : 10));
          one.append(text);
        }
        if (!text) return;
        text.setAttribute('x', at(x, k) + (inset > 4 ? inset * k : inset));
        text.textContent = fits < 3 ? '' : fits < name.length && one.tagName === 'a' ? name.slice(0, fits - 1) + '…' : name;
      });
      if (one.tagName === 'a') {
        const hash = one.getAttribute('href');
        if (!links.has(hash)) links.set(hash, one);
        one.addEventListener('click', event => {
          if (!event.shiftKey) return;
          event.preventDefault();
          zoom((box.clientWidth - LEFT - 20) / width);
          box.scrollLeft = at(x, factor) - LEFT;
        });
      }
    }
    for (const text of svg.querySelectorAll('svg>text:not(.n)')) {
      const x = number(text, 'x');
      if (x > LEFT) placed.push(k => text.setAttribute('x', text.matches('.w') ? at(x, k) : at(x, k)));
    }
    for (const line of svg.querySelectorAll('polyline')) {
      const points = [...line.points].map(point => [point.x, point.y]);
      placed.push(k => line.setAttribute('points', points.map(([x, y]) => at(x, k) + ',' + y).join(' ')));
    }
    for (const path of svg.querySelectorAll('.tick,.cut,.ah')) {
      const own = path.transform.baseVal.consolidate();
      const y = own ? own.matrix.f : 0, x = own ? own.matrix.e : +path.getAttribute('d').match(/[\d.]+/)[0];
      placed.push(k => path.setAttribute('transform', `translate(${at(x, k) - (own ? 0 : x)},${y})`));
    }
    for (const path of svg.querySelectorAll('.base')) {
      const d = path.getAttribute('d');
      placed.push(k => path.setAttribute('d', d.replace(/H.*/, 'H' + at(WIDTH - 12, k))));
    }
    const zoom = to => {
      const middle = (box.scrollLeft + box.clientWidth / 2 - LEFT) / factor;
      factor = Math.min(MOST, Math.max(1, to));
      placed.forEach(place => place(factor));
      const width = at(WIDTH, factor);
      svg.setAttribute('width', width);
      svg.setAttribute('viewBox', `0 ${top} ${width} ${height}`);
      box.scrollLeft = middle * factor + LEFT - box.clientWidth / 2;
    };
    // The names of the tasks stay at the left.
    const names = svg.querySelectorAll('.n,.c');
    box.addEventListener('scroll', () => names.forEach(name => name.setAttribute('transform', `translate(${box.scrollLeft},0)`)));
    const controls = document.querySelector('.seq-zoom');
    controls.hidden = false;
    controls.addEventListener('click', event => {
      const by = event.target.dataset.zoom;
      if (by !== undefined && box.checkVisibility()) zoom(by === '0' ? 1 : factor * by);
    });
  }
  // From a line of a tree back to its call.
  for (const [hash, call] of links) {
    const line = document.getElementById(decodeURIComponent(hash.slice(1)));
    if (!line) continue;
    // Not a link: a line that folds is a control itself.
    const back = document.createElement('span');
    back.textContent = '⇱'; back.className = 'seq-back'; back.title = 'show in the picture'; back.setAttribute('aria-hidden', 'true');
    back.addEventListener('click', event => {
      event.preventDefault();
      document.querySelectorAll('.seq .now').forEach(one => one.classList.remove('now'));
      call.classList.add('now');
      call.closest('details').open = true;
      call.scrollIntoView({block: 'center', inline: 'center'});
    });
    line.append(back);
  }
})();
