import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { encodeFrame, type Message } from '@zlayer/vzagent-proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const MUTATIONS = 300_000;
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
    const parts = ['test/codec.c', 'bytes.c', 'frame.c', 'message.c', 'postcard.c', 'spec.c'];
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

  async function check(frames: readonly string[], mutations: number): Promise<string[]> {
    const child = spawn(program, [String(mutations)], { stdio: ['pipe', 'pipe', 'pipe'] });
    const ended = once(child, 'close');
    child.stdin.end(`${frames.join('\n')}\n`);
    const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr)]);
    expect(errors).toBe('');
    expect(await ended).toEqual([0, null]);
    return output.trim().split('\n');
  }

  it('agrees with the TypeScript codec, and takes nothing that is cut short, damaged or hostile', async () => {
    const frames = ownMessages.map((message) => Buffer.from(encodeFrame(message)).toString('hex'));
    const output = await check(frames, MUTATIONS);
    expect(output.slice(0, -1)).toEqual(ownMessages.map(({ type }) => type));
    expect(output.at(-1)).toMatch(new RegExp(`^mutations: ${MUTATIONS}, accepted: [1-9]`));
  }, 60_000);

  it.skipIf(!existsSync(golden))(
    'speaks the reference’s bytes (skipped where its frames are not at hand)',
    async () => {
      const entries: { msg: { type: string }; frame: string }[] = JSON.parse(readFileSync(golden, 'utf8'));
      const output = await check(
        entries.map(({ frame }) => frame),
        1000,
      );
      expect(output.slice(0, -1)).toEqual(entries.map(({ msg }) => msg.type));
    },
    60_000,
  );
});
