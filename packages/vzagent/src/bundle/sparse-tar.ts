import { ZlayerError } from '@zlayer/runtime-core';
import type { TemplateRange } from './volume-template.ts';

const RECORD = 512;

/**
 * Reads the one file of an archive that GNU tar wrote with `--sparse --format=posix --sparse-version=1.0`: an extended
 * header, a header, and a content that begins with a map of decimal numbers, one a line: how many ranges there are, and
 * the offset and length of each.
 */
export function readSparseTar(archive: Buffer): TemplateRange[] {
  const extended = memberAt(archive, 0);
  const file = memberAt(archive, extended.end);
  if (extended.type !== 'x' || !extended.content.includes('GNU.sparse.major=1\n')) throw unexpected();
  const map: number[] = [];
  let at = 0;
  do {
    const end = file.content.indexOf('\n', at);
    if (end < 0) throw unexpected();
    map.push(Number(file.content.toString('latin1', at, end)));
    at = end + 1;
  } while (map.length <= 2 * (map[0] ?? 0));
  at = roundUp(at);
  const ranges: TemplateRange[] = [];
  for (let index = 1; index < map.length; index += 2) {
    const [offset = Number.NaN, length = Number.NaN] = map.slice(index, index + 2);
    const data = file.content.subarray(at, at + length);
    if (!Number.isSafeInteger(offset) || data.length !== length) throw unexpected();
    // The last one, without content, tells where the file ends.
    if (length > 0) ranges.push({ offset, data });
    at += length;
  }
  return ranges;
}

function memberAt(archive: Buffer, at: number): { type: string; content: Buffer; end: number } {
  const size = Number.parseInt(archive.toString('latin1', at + 124, at + 136), 8);
  const start = at + RECORD;
  if (!Number.isSafeInteger(size) || start + size > archive.length) throw unexpected();
  const type = String.fromCharCode(archive[at + 156] ?? 0);
  return { type, content: archive.subarray(start, start + size), end: start + roundUp(size) };
}

function roundUp(size: number): number {
  return Math.ceil(size / RECORD) * RECORD;
}

function unexpected(): ZlayerError {
  return new ZlayerError('INTERNAL', 'tar wrote no sparse archive', { subject: 'tar', remedy: 'install GNU tar' });
}
