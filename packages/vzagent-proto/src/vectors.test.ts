import { expect, test } from 'vitest';
import { decodeFrame, encodeFrame } from './frame.ts';
import type { Message } from './message.ts';
import { SCHEMA } from './schema.ts';

const program = {
  argv: ['p'],
  env: [['K', 'v']],
  cwd: '/',
  user: 'u',
  groups: ['g'],
  rlimits: [{ resource: 'r', soft: 1, hard: null }],
  capabilities: 2n ** 63n,
  noNewPrivileges: true,
  tty: { rows: 24, columns: 80 },
  stdin: false,
  spoolBytes: 128,
  whenFull: 'dropOldest',
} as const;

/** The fields of `program`. */
const PROGRAM = `01 0170 01 014b 0176 01 012f 0175 01 0167 01 0172 01 01 00
  80808080808080808001 01 01 18 50 00 8001 01`;

/** Frames put together by hand from the protocol's text: length prefix, tag, discriminant, fields. */
const VECTORS: readonly (readonly [message: Message, frame: string])[] = [
  [
    { type: 'Run', argv: ['a', 'bc'], env: [['K', 'v=1']], cwd: '/', uid: 1000, gid: 0xffff_ffff },
    '19000000 01 00 02 01 61 02 6263 01 01 4b 03 763d31 01 01 2f e807 ffffffff0f',
  ],
  [{ type: 'Run', argv: [], env: [], cwd: null, uid: 0, gid: 0 }, '07000000 01 00 00 00 00 00 00'],
  [
    { type: 'Exec', argv: ['id'], env: [], cwd: null, uid: 0, gid: null, user: '' },
    '0d000000 02 01 01 02 6964 00 00 01 00 00 01 00',
  ],
  [{ type: 'Signal', signum: 9 }, '03000000 03 02 12'],
  [{ type: 'Signal', signum: -9 }, '03000000 03 02 11'],
  [{ type: 'Stdout', data: Uint8Array.of(0, 255) }, '05000000 04 03 02 00ff'],
  [{ type: 'Stderr', data: new Uint8Array(128).fill(7) }, `84000000 05 04 8001 ${'07'.repeat(128)}`],
  [{ type: 'Started', pid: 2147483647 }, '07000000 06 05 feffffff0f'],
  [{ type: 'Exited', code: -2147483648 }, '07000000 07 06 ffffffff0f'],
  [{ type: 'Exited', code: 143 }, '04000000 07 06 9e02'],
  [{ type: 'Error', message: 'é€😀' }, '0c000000 08 07 09 c3a9 e282ac f09f9880'],
  [{ type: 'Error', message: '\uFEFF\0' }, '07000000 08 07 04 efbbbf 00'],
  [{ type: 'Forward', port: 65535 }, '05000000 09 08 ffff03'],
  [{ type: 'Mount', tag: 't', target: '/w', readonly: false }, '08000000 0a 09 01 74 02 2f77 00'],
  [{ type: 'Mount', tag: 't', target: '/w', readonly: true }, '08000000 0a 09 01 74 02 2f77 01'],
  [{ type: 'Stdin', data: new Uint8Array(0) }, '03000000 0b 0a 00'],
  [{ type: 'StdinEof' }, '02000000 0c 0b'],
  [
    {
      type: 'OverlayConfig',
      overlayIp: 'i',
      prefixLen: 0,
      privateKey: 'k',
      listenPort: 128,
      peers: [
        { publicKey: 'p', endpoint: '', allowedIps: 'a', persistentKeepaliveSecs: 2n ** 64n - 1n },
        { publicKey: '', endpoint: 'e', allowedIps: '', persistentKeepaliveSecs: 0n },
      ],
      dnsServer: null,
      dnsDomain: 'd',
    },
    '22000000 0d 0c 01 69 00 01 6b 8001 02 0170 00 0161 ffffffffffffffffff01 00 0165 00 00 00 01 01 64',
  ],
  [{ type: 'SetTime', unixSecs: 64n }, '04000000 0e 0d 8001'],
  [{ type: 'SetTime', unixSecs: -(2n ** 63n) }, '0c000000 0e 0d ffffffffffffffffff01'],
  [{ type: 'SetTime', unixSecs: 2n ** 63n - 1n }, '0c000000 0e 0d feffffffffffffffff01'],
  [{ type: 'Hello', version: 1, features: ['a', 'b'], software: 's' }, '0a000000 20 20 01 02 0161 0162 0173'],
  [{ type: 'Done' }, '02000000 21 21'],
  [{ type: 'Failed', kind: 'invalid', message: 'm' }, '05000000 22 22 00 016d'],
  [{ type: 'Failed', kind: 'internal', message: '' }, '04000000 22 22 09 00'],
  [
    {
      type: 'Start',
      ...program,
      root: {
        lower: 'erofs',
        lowerSource: 'l',
        upper: 'disk',
        upperSource: 'u',
        upperBytes: 2 ** 30,
        readonly: true,
      },
      mounts: [
        {
          kind: 'tmpfs',
          source: '',
          subpath: null,
          target: '/t',
          readonly: false,
          bytes: 2 ** 32,
          mode: 0o1777,
        },
      ],
      names: { hostname: 'h', dnsServers: ['d'], dnsSearch: [], dnsOptions: [], hosts: [{ name: 'n', address: 'a' }] },
      limits: { cpuQuotaMicros: 50_000, memoryBytes: null, pids: 100 },
      init: true,
      stopSignal: 15,
    },
    `5e000000 28 28 ${PROGRAM} 01 016c 02 0175 01 8080808004 01 01 01 00 00 022f74 00 01 8080808010 01 ff07
     01 0168 01 0164 00 00 01 016e 0161 01 d08603 00 01 64 01 1e`,
  ],
  [{ type: 'Execute', ...program, whenLost: 'keep' }, `2b000000 29 29 ${PROGRAM} 01`],
  [{ type: 'Attach', process: 0, offset: null }, '04000000 2a 2a 00 00'],
  [{ type: 'Attach', process: 1, offset: 2 ** 53 - 1 }, '0c000000 2a 2a 01 01 ffffffffffffff0f'],
  [
    { type: 'ProcessStarted', process: 300, pid: 2, outputOffset: 0, stdinWindow: 65536 },
    '09000000 2b 2b ac02 04 00 808004',
  ],
  [
    { type: 'Output', stream: 'stderr', offset: 7, unixMicros: 2 ** 35, data: Uint8Array.of(1, 2) },
    '0d000000 2c 2c 01 07 808080808001 02 0102',
  ],
  [{ type: 'OutputTaken', offset: 2 ** 32 }, '07000000 2d 2d 8080808010'],
  [{ type: 'StdinTaken', bytes: 2 ** 32 - 1 }, '07000000 2e 2e ffffffff0f'],
  [
    { type: 'ProcessExited', process: 0, code: 137, signal: 9, oomKilled: true, outputEnd: 1, droppedBytes: 0 },
    '0a000000 2f 2f 00 9202 01 12 01 01 00',
  ],
  [{ type: 'SignalProcess', process: 0, signum: 15, target: 'group' }, '05000000 30 30 00 1e 01'],
  [{ type: 'Resize', process: 0, size: { rows: 24, columns: 300 } }, '06000000 31 31 00 18 ac02'],
  [{ type: 'Wait', process: 2 ** 28 - 1 }, '06000000 32 32 ffffff7f'],
  [{ type: 'Wait', process: 2 ** 28 }, '07000000 32 32 8080808001'],
  [{ type: 'Wait', process: 2 ** 31 }, '07000000 32 32 8080808008'],
  [{ type: 'ListProcesses' }, '02000000 33 33'],
  [
    {
      type: 'Processes',
      processes: [
        {
          pid: 1,
          parent: 0,
          uid: 0,
          state: 'S',
          cpuMicros: 1,
          residentBytes: 4096,
          startedUnixMicros: 2,
          command: 'c',
        },
      ],
    },
    '0e000000 34 34 01 02 00 00 0153 01 8020 02 0163',
  ],
  [{ type: 'Freeze' }, '02000000 35 35'],
  [{ type: 'Thaw' }, '02000000 36 36'],
  [{ type: 'Shutdown', graceMillis: 10_000 }, '04000000 37 37 904e'],
  [{ type: 'Detach', process: 300 }, '04000000 38 38 ac02'],
  [{ type: 'GetStatistics' }, '02000000 3c 3c'],
  [
    {
      type: 'Statistics',
      unixMicros: 1,
      cpuMicros: 2,
      cpuUserMicros: 3,
      cpuSystemMicros: 4,
      cpuThrottledMicros: null,
      memoryBytes: 5,
      memoryPeakBytes: 6,
      memoryCacheBytes: null,
      memoryLimitBytes: 7,
      oomKills: 8,
      pids: 9,
      pidsLimit: null,
      guestMemoryBytes: 10,
      guestMemoryAvailableBytes: 11,
      io: [{ device: 'v', readBytes: 1, writeBytes: 2, readOperations: 3, writeOperations: 4 }],
      networks: [
        {
          interface: 'e',
          receivedBytes: 1,
          sentBytes: 2,
          receivedPackets: 3,
          sentPackets: 4,
          receiveErrors: 5,
          sendErrors: 6,
          receiveDrops: 7,
          sendDrops: 8,
        },
      ],
    },
    `24000000 3d 3d 01 02 03 04 00 05 01 06 00 01 07 08 09 00 0a 0b
     01 0176 01 02 03 04 01 0165 01 02 03 04 05 06 07 08`,
  ],
  [{ type: 'SetClock', unixMicros: 128 }, '04000000 3e 3e 8001'],
  [{ type: 'GetNetwork' }, '02000000 3f 3f'],
  [
    {
      type: 'Network',
      interfaces: [{ name: 'e', mac: 'm', addresses: ['1', '2'] }],
      gateway: 'g',
      dnsServers: ['d'],
    },
    '12000000 40 40 01 0165 016d 02 0131 0132 01 0167 01 0164',
  ],
  [
    {
      type: 'ConfigureOverlay',
      overlayIp: 'i',
      prefixLen: 24,
      privateKey: 'k',
      listenPort: 1,
      peers: [],
      dnsServer: null,
      dnsDomain: null,
    },
    '0b000000 41 41 0169 18 016b 01 00 00 00',
  ],
  [{ type: 'Watch', pressure: null }, '03000000 42 42 00'],
  [{ type: 'Watch', pressure: { stallMicros: 1, windowMicros: 2 } }, '05000000 42 42 01 01 02'],
  [{ type: 'OomKilled', unixMicros: 1, kills: 2 }, '04000000 43 43 01 02'],
  [{ type: 'MemoryPressure', unixMicros: 1, memoryBytes: 2 }, '04000000 44 44 01 02'],
  [{ type: 'Connect', protocol: 'udp', address: '::1', port: 53 }, '08000000 46 46 01 033a3a31 35'],
  [{ type: 'Data', data: Uint8Array.of(255) }, '04000000 47 47 01 ff'],
  [{ type: 'End' }, '02000000 48 48'],
  [{ type: 'Reset', message: 'r' }, '04000000 49 49 0172'],
  [{ type: 'ArchiveGet', path: '/' }, '04000000 4a 4a 012f'],
  [{ type: 'ArchivePut', path: '/', keepOwners: true, replaceFolders: false }, '06000000 4b 4b 012f 01 00'],
  [{ type: 'ArchiveHead', path: '' }, '03000000 4c 4c 00'],
  [
    {
      type: 'FileInfo',
      name: 'f',
      bytes: 1,
      mode: 0o100644,
      uid: 0,
      gid: 5,
      modifiedUnixMicros: -1n,
      linkTarget: null,
    },
    '0c000000 4d 4d 0166 01 a48302 00 05 01 00',
  ],
];

for (const [message, frame] of VECTORS) {
  const hex = frame.replaceAll(/\s/g, '');
  const title = `${message.type} as ${hex.slice(0, 40)}`;

  test(`the agent gets the bytes it expects: ${title}`, () => {
    const bytes = encodeFrame(message);
    expect(Buffer.from(bytes).toString('hex')).toBe(hex);
    expect(bytes.buffer.byteLength).toBe(hex.length / 2);
  });

  test(`the host understands the agent: ${title}`, () => {
    expect(decodeFrame(Uint8Array.from(Buffer.from(hex, 'hex')))).toStrictEqual(message);
  });
}

test('no message of the schema is without a vector', () => {
  const covered = new Set<string>(VECTORS.map(([message]) => message.type));
  expect(SCHEMA.map(({ name }) => name).filter((name) => !covered.has(name))).toEqual([]);
});

test('integers with needless zeros, which postcard accepts, are accepted', () => {
  expect(decodeFrame(bytes('05000000 03 82 00 9e00'))).toEqual({ type: 'Signal', signum: 15 });
  expect(decodeFrame(bytes('0d000000 04 03 81808080808080808000 78'))).toEqual({
    type: 'Stdout',
    data: Uint8Array.of(0x78),
  });
});

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));
}
