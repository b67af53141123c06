import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { decodeFrame, encodeFrame, type Message, ProtocolError } from '@zlayer/vzagent-proto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
// Not part of what is published: the random messages with which the codec's own tests work.
import { anyMessage, everyMessage } from '../../vzagent-proto/src/testing/any-message.ts';

const MUTATIONS = 200_000;
const VERDICTS = 20_000;
const agent = join(import.meta.dirname, '../agent');
const golden = join(import.meta.dirname, '../../../../shared/vzagent-golden.json');

const ownMessages: Message[] = [
  { type: 'Run', argv: Array.from({ length: 200 }, (_, i) => `${i}`), env: [], cwd: null, uid: 2 ** 32 - 1, gid: 0 },
  { type: 'Run', argv: ['grüße', '€', '\u{1f40b}', ''], env: [['A', '=']], cwd: '/', uid: 0, gid: 2 ** 31 },
  { type: 'Exec', argv: [], env: [['', '']], cwd: '', uid: 0, gid: 2 ** 32 - 1, user: '' },
  { type: 'Signal', signum: 2 ** 31 - 1 },
  { type: 'Signal', signum: -(2 ** 31) },
  { type: 'Stdout', data: new Uint8Array(300).fill(0x80) },
  { type: 'Stderr', data: new Uint8Array() },
  { type: 'Started', pid: 1 },
  { type: 'Exited', code: 255 },
  { type: 'Error', message: 'no such image' },
  { type: 'Forward', port: 65535 },
  { type: 'Mount', tag: '', target: '', readonly: false },
  { type: 'Stdin', data: new Uint8Array(16384) },
  { type: 'StdinEof' },
  {
    type: 'OverlayConfig',
    overlayIp: 'fd00::1',
    prefixLen: 255,
    privateKey: '',
    listenPort: 0,
    peers: [
      { publicKey: 'a', endpoint: '', allowedIps: '::/0', persistentKeepaliveSecs: 2n ** 64n - 1n },
      { publicKey: 'b', endpoint: 'c', allowedIps: '', persistentKeepaliveSecs: 0n },
    ],
    dnsServer: null,
    dnsDomain: 'example',
  },
  { type: 'SetTime', unixSecs: 2n ** 63n - 1n },
  { type: 'SetTime', unixSecs: -(2n ** 63n) },
];

describe('the agent’s codec', () => {
  let folder: string;
  let program: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'vzagent-codec-'));
    program = join(folder, 'codec');
    const parts = ['test/codec.c', 'bytes.c', 'codec.c', 'frame.c', 'message.c', 'postcard.c', 'shape.c'];
    const flags = [
      '-std=c11',
      '-D_GNU_SOURCE',
      '-O1',
      '-g',
      '-Wall',
      '-Wextra',
      '-Werror',
      '-fno-sanitize-recover=all',
    ];
    await promisify(execFile)('gcc', [...flags, '-fsanitize=address,undefined', '-o', program, ...parts], {
      cwd: agent,
    });
  }, 60_000);

  afterAll(() => rm(folder, { recursive: true, force: true }));

  async function run(args: readonly string[], frames: readonly string[]): Promise<string[]> {
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    const ended = once(child, 'close');
    child.stdin.end(`${frames.join('\n')}\n`);
    const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
    expect(errors).toBe('');
    expect(await ended).toEqual([0, null]);
    return output.trim().split('\n');
  }

  it('agrees with the TypeScript codec, and takes nothing that is cut short, damaged or hostile', async () => {
    const messages = [...ownMessages, ...fc.sample(everyMessage, { numRuns: 3, seed: 1 }).flat()];
    const output = await run(['check', String(MUTATIONS)], messages.map(toHex));
    expect(output.slice(0, -1)).toEqual(messages.map(({ type }) => type));
    expect(output.at(-1)).toMatch(new RegExp(`^mutations: ${MUTATIONS}, accepted: [1-9]`));
  }, 60_000);

  it('makes of every message the same bytes as TypeScript, lists and all', async () => {
    const frames = fc.sample(everyMessage, { numRuns: 20, seed: 2 }).flat().map(toHex);
    expect(await run(['verdicts'], frames)).toEqual(frames);
  }, 60_000);

  it('takes the damaged frames that TypeScript takes, understands the same, and refuses the others', async () => {
    const frames = fc.sample(damagedFrame, { numRuns: VERDICTS, seed: 3 });
    const expected = frames.map(verdictOf);
    expect(await run(['verdicts'], frames)).toEqual(expected);
    const refused = expected.filter((verdict) => verdict === 'refused').length;
    expect(refused).toBeGreaterThan(VERDICTS / 10);
    expect(refused).toBeLessThan((VERDICTS * 9) / 10);
  }, 60_000);

  it.skipIf(!existsSync(golden))(
    'speaks the reference’s bytes (skipped where its frames are not at hand)',
    async () => {
      const entries: { msg: { type: string }; frame: string }[] = JSON.parse(readFileSync(golden, 'utf8'));
      const output = await run(
        ['check', '1000'],
        entries.map(({ frame }) => frame),
      );
      expect(output.slice(0, -1)).toEqual(entries.map(({ msg }) => msg.type));
    },
    60_000,
  );
});

const toHex = (message: Message): string => Buffer.from(encodeFrame(message)).toString('hex');

/** A frame with a few bytes of its payload changed; the values at which encodings turn are likely. */
const damagedFrame: fc.Arbitrary<string> = fc
  .tuple(
    anyMessage,
    fc.array(fc.tuple(fc.nat(), fc.oneof(fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xc0, 0xff), fc.nat({ max: 255 }))), {
      minLength: 1,
      maxLength: 3,
    }),
    fc.constantFrom('change', 'insert', 'remove'),
  )
  .map(([message, changes, kind]) => {
    const body = [...encodeFrame(message).subarray(4)];
    for (const [at, value] of changes) {
      const values = kind === 'remove' ? [] : [value];
      body.splice(at % Math.max(1, Math.min(body.length, 40)), kind === 'insert' ? 0 : 1, ...values);
    }
    const frame = Buffer.from([0, 0, 0, 0, ...body]);
    frame.writeUInt32LE(body.length);
    return frame.toString('hex');
  });

/** What TypeScript makes of a frame: the canonical frame of the same message, or a refusal. */
function verdictOf(frame: string): string {
  try {
    return toHex(decodeFrame(Buffer.from(frame, 'hex')));
  } catch (error) {
    if (error instanceof ProtocolError) return 'refused';
    throw error;
  }
}
