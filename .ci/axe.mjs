// Finds axe-core, the accessibility checker, in Debian's chromium package: Chromium's DevTools contain Lighthouse, which contains
// axe-core's source as a template literal. So nothing is fetched, and no node package is needed.
import {accessSync, constants, existsSync, readFileSync, realpathSync} from 'node:fs';
import {delimiter, dirname, join} from 'node:path';
import {runInNewContext} from 'node:vm';
import {brotliDecompressSync, gunzipSync} from 'node:zlib';

const DEBIAN = '/usr/lib/chromium';
const START = '`/*! axe v';
const REMEDY = 'install Debian\'s chromium, or name an axe.min.js in RXPATH_AXE';

/** The source of axe-core: a script that defines `axe`. Throws an Error that names the places it searched. */
export function axeSource() {
  const named = process.env.RXPATH_AXE;
  if (named) return ofFile(named);
  const paks = [...new Set([besideChromium(), DEBIAN].filter(Boolean))].map(folder => join(folder, 'resources.pak'));
  const pak = paks.find(existsSync);
  if (!pak) throw new Error(`expected Chromium's resources.pak, which contains axe-core, found none at ${paks.join(' or ')}: ${REMEDY}`);
  for (const text of entries(pak)) {
    const at = text.indexOf(START);
    if (at >= 0) return ofLiteral(pak, text, at);
  }
  throw new Error(`expected axe-core (${START}...) in an entry of ${pak}, found none; this Chromium may lack DevTools' Lighthouse: ${REMEDY}`);
}

function ofFile(file) {
  let source;
  try { source = readFileSync(file, 'utf8'); } catch (error) { throw new Error(`RXPATH_AXE: expected the file of axe-core: ${error.message}`); }
  if (!/^\s*\/\*! axe v/.test(source)) throw new Error(`RXPATH_AXE: expected axe-core, which begins with "/*! axe v", found in ${file}: ${JSON.stringify(source.slice(0, 40))}`);
  return source;
}

/** The folder of the `chromium` that PATH leads to: the program itself, or a script in /usr/bin, which has no pak beside it. */
function besideChromium() {
  const isProgram = file => { try { accessSync(file, constants.X_OK); return true; } catch { return false; } };
  const found = (process.env.PATH ?? '').split(delimiter).map(folder => join(folder, 'chromium')).find(isProgram);
  return found && dirname(realpathSync(found));
}

/**
 * The compressed entries of a pak, as text. Version 5 (Chromium's ui/base/resource/data_pack.cc) has u32 version, u8 encoding and 3 bytes
 * of padding, u16 entries, u16 aliases, then u16 id and u32 offset of each entry and of the end. Chromium puts 1e 9b and the size in
 * 6 bytes before what is compressed with brotli (ui/base/resource/resource_bundle.cc).
 */
function* entries(file) {
  const pak = readFileSync(file);
  const version = pak.length >= 12 ? pak.readUInt32LE(0) : undefined;
  if (version !== 5) throw new Error(`expected a pak of version 5, found ${version ?? 'too short a file'} in ${file}: ${REMEDY}`);
  const count = pak.readUInt16LE(8);
  if (pak.length < 12 + 6 * (count + 1)) throw new Error(`expected ${count} entries in ${file}, found its end earlier: install chromium again`);
  const offset = entry => pak.readUInt32LE(12 + 6 * entry + 2);
  for (let entry = 0; entry < count; entry++) {
    const data = pak.subarray(offset(entry), offset(entry + 1));
    try {
      if (data[0] === 0x1e && data[1] === 0x9b) yield brotliDecompressSync(data.subarray(8)).toString();
      if (data[0] === 0x1f && data[1] === 0x8b) yield gunzipSync(data).toString();
    } catch (error) {
      throw new Error(`expected compressed data in entry ${entry} of ${file}: ${error.message}: install chromium again`);
    }
  }
}

/** The value of the template literal that starts at `start`. The context is empty, so a literal with substitutions fails. */
function ofLiteral(pak, text, start) {
  let end = start + 1;
  while (end < text.length && text[end] !== '`') end += text[end] === '\\' ? 2 : 1;
  try {
    return runInNewContext(text.slice(start, end + 1), Object.create(null));
  } catch (error) {
    throw new Error(`expected axe-core as a template literal without substitutions in ${pak}: ${error.message}: ${REMEDY}`);
  }
}
