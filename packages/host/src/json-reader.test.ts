import { spawn } from 'node:child_process';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { jsonReader } from '../test/host-builds.ts';

const MUTATIONS = 120_000;
const SEED = 0x5eed;

/** What the reader refuses although JSON.parse takes it, or refuses before it comes to what JSON.parse refuses. */
const STRICTER = new Set([
  'duplicate key',
  'U+0000 in a string',
  'unpaired surrogate',
  'nested too deeply',
  'too many members',
  'invalid UTF-8',
]);

const SAMPLES = [
  '{"op":"status"}',
  '{"op":"stop","graceMs":1000}',
  '{"a":[1,-2,3.5,1e3,-0.0E-1,0],"b":{"c":null,"d":[true,false,[]]},"":""}',
  '"\\u00e4\\ud83d\\ude00 \\"\\\\\\/\\b\\f\\n\\r\\t ä😀\u007f"',
  '[9223372036854775807,9223372036854775808,-9223372036854775808,123456789012345678901234567890]',
  `${'['.repeat(31)}1${']'.repeat(31)}`,
  ' \t\r\n[ { "k" : "v" } , [ ] ] ',
  JSON.stringify({
    version: 1,
    statusFile: '/s',
    controlSocket: '/c',
    onOwnerExit: 'stop',
    stopGraceMs: 0,
    startTimeoutMs: 1,
    runDirectory: null,
    helpers: [{ name: 'h', argv: ['/h', 'x'], log: null, readOnlyPaths: ['/r'] }],
    connections: [{ path: '/p', descriptor: 3 }],
    main: { name: 'm', argv: ['/m'], log: '/l', readOnlyPaths: [] },
  }),
].map((text) => Buffer.from(text));

const INTERESTING = Buffer.from('{}[]",:\\u0019eE+-.tfn \n\0\x80\xc0\xed\xf4\xff', 'latin1');

/** A small generator of numbers from 0 to below `n`, the same in every run. */
function generator(seed: number): (n: number) => number {
  let state = seed;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

function mutate(random: (n: number) => number): Buffer {
  let bytes = Buffer.from(SAMPLES[random(SAMPLES.length)] ?? '');
  for (let changes = random(4); changes >= 0; changes -= 1) {
    const at = random(bytes.length + 1);
    const other = SAMPLES[random(SAMPLES.length)] ?? Buffer.alloc(0);
    const from = random(other.length);
    const insertion = [
      INTERESTING.subarray(0, 0),
      Buffer.from([INTERESTING[random(INTERESTING.length)] ?? 0]),
      Buffer.from([random(256)]),
      other.subarray(from, from + random(24)),
    ][random(4)];
    bytes = Buffer.concat([bytes.subarray(0, at), insertion ?? other, bytes.subarray(at + random(4))]);
  }
  return bytes;
}

function frame(bytes: Buffer): Buffer {
  const framed = Buffer.alloc(4 + bytes.length);
  framed.writeUInt32LE(bytes.length);
  bytes.copy(framed, 4);
  return framed;
}

async function readWithHost(documents: readonly Buffer[]): Promise<string[]> {
  const child = spawn(jsonReader(), { stdio: ['pipe', 'pipe', 'pipe'] });
  const errors = buffer(child.stderr);
  const output = buffer(child.stdout);
  child.stdin.on('error', () => undefined);
  child.stdin.end(Buffer.concat(documents.map(frame)));
  const answers: string[] = [];
  const bytes = await output;
  expect((await errors).toString()).toBe('');
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    answers.push(bytes.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
  }
  return answers;
}

function reference(bytes: Buffer): { accepted: true; text: string } | { accepted: false } {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { accepted: true, text: JSON.stringify(JSON.parse(text)) };
  } catch {
    return { accepted: false };
  }
}

test('the host program reads JSON as JavaScript does, whatever bytes it is given', { timeout: 60_000 }, async () => {
  const random = generator(SEED);
  const documents = [...SAMPLES, ...Array.from({ length: MUTATIONS }, () => mutate(random))];
  const answers = await readWithHost(documents);
  expect(answers.length).toBe(documents.length);
  const count = { accepted: 0, stricter: 0, refused: 0 };
  for (const [i, document] of documents.entries()) {
    const answer = answers[i] ?? '';
    const expected = reference(document);
    if (answer.startsWith('A')) {
      const text = JSON.stringify(JSON.parse(answer.slice(1)));
      if (!expected.accepted || expected.text !== text) throw new Error(`${document} was read as ${answer}`);
      count.accepted += 1;
    } else if (expected.accepted) {
      if (!STRICTER.has(answer.slice(1))) throw new Error(`${document} was refused: ${answer}`);
      count.stricter += 1;
    } else {
      count.refused += 1;
    }
  }
  for (const sample of answers.slice(0, SAMPLES.length)) expect(sample).toMatch(/^A/);
  expect(count.accepted).toBeGreaterThan(MUTATIONS / 20);
  expect(count.refused).toBeGreaterThan(MUTATIONS / 4);
  expect(count.stricter).toBeGreaterThan(0);
});

test('the host program bounds what JSON may cost it', async () => {
  const documents = [
    '['.repeat(100_000),
    `{${Array.from({ length: 65 }, (_, i) => `"k${i}":0`).join()}}`,
    `[${' '.repeat(1024 * 1024)}]`,
    '"\\u0000"',
    '"\\ud800"',
    '{"a":1,"a":1}',
    '',
  ];
  expect(await readWithHost(documents.map((text) => Buffer.from(text)))).toEqual([
    'Rnested too deeply',
    'Rtoo many members',
    'Rtoo long',
    'RU+0000 in a string',
    'Runpaired surrogate',
    'Rduplicate key',
    'Ra value was expected',
  ]);
});
