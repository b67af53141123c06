import { mediaTypes } from '../media-types.ts';

/** A small generator with a seed (mulberry32), so that a failure can be had again. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

export type Random = (below: number) => number;
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export const pick = <T>(random: Random, choices: readonly [T, ...T[]]): T =>
  choices[random(choices.length)] ?? choices[0];

const oddities: readonly [Json, ...Json[]] = [
  null,
  '',
  -1,
  0,
  2 ** 53,
  1e308,
  true,
  [],
  {},
  'sha256:../../etc/passwd',
  `sha256:${'0'.repeat(64)}`,
  'a\0b',
  '\uffff',
  'x'.repeat(5000),
  ...Object.values(mediaTypes),
  { __proto__: null, constructor: 1 },
];

/** Changes one place of a document: a value for an odd one, a key gone, doubled or renamed, a list repeated. */
export function mutate(document: Json, random: Random): Json {
  if (typeof document !== 'object' || document === null || random(6) === 0) return pick(random, oddities);
  if (Array.isArray(document)) {
    if (document.length === 0 || random(4) === 0) return [...document, ...document, pick(random, oddities)];
    const at = random(document.length);
    return document.map((item, index) => (index === at ? mutate(item, random) : item));
  }
  const keys = Object.keys(document);
  const key = keys[random(keys.length)];
  if (key === undefined) return { mediaType: pick(random, oddities) };
  const { [key]: value = null, ...rest } = document;
  if (random(5) === 0) return rest;
  if (random(8) === 0)
    return { ...rest, [pick(random, ['layers', 'manifests', 'config', 'platform', '__proto__'])]: value };
  return { ...document, [key]: mutate(value, random) };
}

/** Bytes that went wrong on the way, rather than documents that somebody wrote. */
export function damage(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  if (random(3) === 0) return copy.subarray(0, random(copy.length));
  for (let count = 1 + random(4); count > 0; count--) copy[random(copy.length)] = random(256);
  return copy;
}
