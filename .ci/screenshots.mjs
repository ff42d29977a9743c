#!/usr/bin/env node
// Opens an HTML report in headless Chromium as a reader does, from disk and without a network. Checks the console, folding, search,
// keys, the names of focusable elements, and contrast; runs axe-core, which comes with Chromium's package; and writes screenshots of
// the four kinds of pages.
//
//   .ci/screenshots.mjs REPORT OUT      needs chromium (Debian's package) and node, but no node packages
import {spawn} from 'node:child_process';
import {mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {axeSource} from './axe.mjs';

const [report, out] = process.argv.slice(2).map(path => resolve(path));
if (!out) { console.error('usage: .ci/screenshots.mjs REPORT OUT'); process.exit(2); }
let axe;
try { axe = axeSource(); } catch (error) { console.error(error.message); process.exit(2); }
mkdirSync(out, {recursive: true});
const profile = mkdtempSync(join(tmpdir(), 'rxpath-chromium-'));
const chromium = spawn('chromium', ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--remote-debugging-pipe',
  '--disable-background-networking', '--host-resolver-rules=MAP * ~NOTFOUND', `--user-data-dir=${profile}`, 'about:blank'],
  {stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe']});

// The DevTools protocol over a pipe: JSON messages, each followed by a NUL.
let serial = 0, rest = '';
const waiting = new Map(), problems = [];
let loaded = () => {};
chromium.stdio[4].on('data', data => {
  rest += data;
  for (let end; (end = rest.indexOf('\0')) >= 0;) {
    const message = JSON.parse(rest.slice(0, end));
    rest = rest.slice(end + 1);
    if (message.id) { waiting.get(message.id)?.(message); waiting.delete(message.id); }
    if (message.method === 'Page.loadEventFired') loaded();
    if (message.method === 'Runtime.exceptionThrown') problems.push('exception: ' + message.params.exceptionDetails.text);
    if (message.method === 'Runtime.consoleAPICalled') problems.push('console: ' + JSON.stringify(message.params.args));
    if (message.method === 'Log.entryAdded') problems.push('log: ' + message.params.entry.text);
    if (message.method === 'Network.requestWillBeSent' && !/^(file|data):/.test(message.params.request.url)) problems.push('requested ' + message.params.request.url);
  }
});
let session;
const send = (method, params = {}) => new Promise((done, fail) => {
  const id = ++serial;
  waiting.set(id, message => message.error ? fail(new Error(method + ': ' + message.error.message)) : done(message.result));
  chromium.stdio[3].write(JSON.stringify({id, method, params, ...(session && {sessionId: session})}) + '\0');
});
const value = async expression => {
  const {result, exceptionDetails} = await send('Runtime.evaluate', {expression, returnByValue: true, awaitPromise: true});
  if (exceptionDetails) throw new Error(expression + ': ' + JSON.stringify(exceptionDetails.exception));
  return result.value;
};
const open = async file => {
  const ready = new Promise(done => { loaded = done; });
  await send('Page.navigate', {url: 'file://' + join(report, file)});
  await ready;
};
const key = async name => {
  const text = name === 'Enter' ? '\r' : name.length === 1 ? name : undefined;
  await send('Input.dispatchKeyEvent', {type: 'keyDown', key: name, text, windowsVirtualKeyCode: name === 'Enter' ? 13 : undefined});
  await send('Input.dispatchKeyEvent', {type: 'keyUp', key: name});
};
const type = async text => { for (const one of text) await key(one); };
const check = (holds, what) => { if (!holds) problems.push(what); };
const shot = async name => {
  const {data} = await send('Page.captureScreenshot', {format: 'png'});
  writeFileSync(join(out, name + '.png'), Buffer.from(data, 'base64'));
};
const dark = state => send('Emulation.setEmulatedMedia', {features: [{name: 'prefers-color-scheme', value: state ? 'dark' : 'light'}]});

// The contrast of every text with its background (WCAG 2.1, 1.4.3: 4.5 to 1).
const contrast = `(() => {
  const parse = text => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return {r, g, b, a}; };
  const light = ({r, g, b}) => { const one = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * one(r) + 0.7152 * one(g) + 0.0722 * one(b); };
  const behind = element => { for (; element; element = element.parentElement) { const one = parse(getComputedStyle(element).backgroundColor); if (one.a === 1) return one; } return {r: 255, g: 255, b: 255}; };
  const bad = new Set();
  for (const element of document.querySelectorAll('main *, header *, footer *')) {
    if (![...element.childNodes].some(node => node.nodeType === 3 && node.data.trim()) || !element.checkVisibility()) continue;
    const style = getComputedStyle(element), svg = element.namespaceURI.endsWith('svg');
    const [a, b] = [light(parse(svg ? style.fill : style.color)), light(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.add(element.tagName + '.' + element.getAttribute('class') + ' ' + ratio.toFixed(1));
  }
  return [...bad];
})()`;

// What axe-core finds on the open page with its default rules: WCAG A and AA, and best practices. It cannot determine the background
// of texts in a picture or under a sticky element; the check of contrast above can.
const AXE = `axe.run(document, {resultTypes: ['violations', 'incomplete']}).then(({testEngine, passes, violations, incomplete}) => {
  const summaries = all => all.map(({id, impact, help, nodes}) => ({rule: id, impact, said: id + ' (' + impact + '): ' + nodes.length + ' times, at ' +
    nodes.slice(0, 3).map(node => node.target.join(' ')).join(' and ') + ': ' + help}));
  return {version: testEngine.version, passed: passes.map(({id}) => id), violations: summaries(violations), undecided: summaries(incomplete)};
})`;
const axed = {version: '?', runs: 0, passed: new Set(), lesser: [], undecided: new Set()};
const runAxe = async where => {
  const {version, passed, violations, undecided} = await value(AXE);
  axed.version = version;
  axed.runs++;
  passed.forEach(rule => axed.passed.add(rule));
  check(passed.length, `${where}: axe-core found nothing to check`);
  for (const {impact, said} of violations) {
    if (['serious', 'critical'].includes(impact)) problems.push(`${where}: axe-core: ${said}`);
    else axed.lesser.push(`${where}: axe-core: ${said}`);
  }
  undecided.forEach(({rule}) => axed.undecided.add(rule));
};

// Larger pages are checked only as they open, because axe-core takes longer with more elements. The suite's largest have about 11,000.
const UNFOLDS = 20000;

const accessible = async page => {
  const {nodes} = await send('Accessibility.getFullAXTree');
  const nameless = nodes.filter(node => !node.ignored && ['link', 'button', 'searchbox', 'image', 'region', 'DisclosureTriangle'].includes(node.role?.value) && !node.name?.value);
  check(!nameless.length, `${page}: ${nameless.length} elements without a name: ${nameless.slice(0, 3).map(node => node.role.value)}`);
  check(await value("document.querySelectorAll('h1').length === 1"), `${page}: expected exactly one h1`);
  check(await value("new Set([...document.querySelectorAll('[id]')].map(one => one.id)).size === document.querySelectorAll('[id]').length"), `${page}: an id occurs twice`);
  check(await value("[...document.querySelectorAll('[aria-labelledby]')].every(one => document.getElementById(one.getAttribute('aria-labelledby')))"), `${page}: a label is missing`);
  await value(axe + '; undefined');
  const folded = "document.querySelectorAll('details:not([open])')";
  const unfolds = await value(`${folded}.length > 0 && document.querySelectorAll('*').length <= ${UNFOLDS}`);
  for (const unfolded of unfolds ? [false, true] : [false]) {
    if (unfolded) await value(`window.wereFolded = [...${folded}]; wereFolded.forEach(one => { one.open = true; })`);
    for (const state of [false, true]) {
      await dark(state);
      const where = `${page} (${state ? 'dark' : 'light'}${unfolded ? ', unfolded' : ''})`;
      const bad = await value(contrast);
      check(!bad.length, `${where}: too little contrast: ${bad.slice(0, 5)}`);
      await runAxe(where);
    }
    if (unfolded) await value('wereFolded.forEach(one => { one.open = false; })');
  }
  await dark(false);
};

try {
  const {targetInfos} = await send('Target.getTargets');
  ({sessionId: session} = await send('Target.attachToTarget', {targetId: targetInfos.find(one => one.type === 'page').targetId, flatten: true}));
  for (const domain of ['Page', 'Runtime', 'Log', 'Network', 'Accessibility']) await send(domain + '.enable');
  await send('Emulation.setDeviceMetricsOverride', {width: 1200, height: 760, deviceScaleFactor: 1, mobile: false});

  await open('index.html');
  const rows = await value("document.querySelectorAll('tr[data-row]').length");
  const first = await value("document.querySelector('tr[data-row] a').textContent");
  await accessible('matrix');
  await shot('matrix');
  await key('/');
  await type(first);
  check(await value("document.activeElement.id === 'search'"), 'matrix: / does not lead to the search');
  const left = await value("[...document.querySelectorAll('tr[data-row]')].filter(row => !row.hidden).length");
  check(left >= 1 && left < Math.max(rows, 2), `matrix: search leaves ${left} of ${rows} rows`);
  await key('Enter');
  check(await value('document.activeElement.textContent') === first, 'matrix: Enter does not lead to the found case');

  // The largest page of a kind shows most of its features.
  const largest = kind => readdirSync(report).filter(name => name.startsWith(kind)).sort((a, b) => statSync(join(report, b)).size - statSync(join(report, a)).size)[0];
  await open(process.env.RXPATH_CASE_PAGE ?? largest('case-'));
  await accessible('case');
  await value("scrollTo(0, document.querySelector('section h2').offsetTop - 270)");
  await shot('case');
  const folds = 'document.querySelectorAll("details[open]").length', before = await value(folds);
  await key('c');
  check(await value(folds) === 0, 'case: c does not collapse');
  await key('/');
  await type('skb');
  check(await value("document.querySelectorAll('.hit').length > 0 && [...document.querySelectorAll('.hit')].every(hit => hit.checkVisibility())"), 'case: search does not open what it finds');
  await key('Enter');
  await key('Escape');
  await key('e');
  check(await value(folds) >= before, 'case: e does not expand');
  await key('c');
  await value("document.querySelector('summary').focus()");
  await key('Enter');
  check(await value(folds) === 1, 'case: Enter does not fold');

  const page = process.env.RXPATH_DIFF_PAGE ?? largest('diff-');
  await open(page);
  await accessible('diff');
  await key('n');
  check(await value("document.activeElement === document.querySelector('.change')"), 'diff: n does not lead to the first change');
  await shot('diff');
  await key('n');
  await key('p');
  check(await value("document.activeElement === document.querySelector('.change')"), 'diff: p does not lead back');
  await dark(true);
  await shot('diff-dark');
  await dark(false);

  await open('timings.html');
  await accessible('timings');
  await shot('timings');
  await key('m');
  await new Promise(done => setTimeout(done, 500));
  check((await value('location.pathname')).endsWith('index.html'), 'm does not lead to the matrix');
} catch (error) {
  problems.push(String(error));
}
// Chromium writes its profile until it ends.
const ended = new Promise(done => chromium.once('exit', done));
chromium.kill();
await ended;
await new Promise(done => setTimeout(done, 300));
rmSync(profile, {recursive: true, force: true, maxRetries: 20, retryDelay: 200});
console.log(`axe-core ${axed.version}: ${axed.runs} runs, ${axed.passed.size} rules passed, ${axed.lesser.length} violations of lower impact` +
  (axed.undecided.size ? `, undecided: ${[...axed.undecided].join(', ')}` : ''));
axed.lesser.forEach(one => console.log(one));
problems.forEach(problem => console.error(problem));
console.log(problems.length ? `${problems.length} problems` : 'no problems');
process.exit(problems.length ? 1 : 0);
