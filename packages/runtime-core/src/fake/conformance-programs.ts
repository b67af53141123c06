import { pipeline } from 'node:stream';
import { CONFORMANCE_SCRIPTS, type ConformanceScript } from '../conformance/conformance-scripts.ts';
import type { FakeInput, FakeProgram, FakeProgramContext } from './fake-program.ts';

/** Sends back datagrams, and what comes over a socket, as the image `datagrams` of the suite has to. */
export const datagramEcho: FakeProgram = async (context) => {
  context.receive(7778, (data, reply) => reply(data));
  context.listenAt('/tmp/echo.sock', (socket) => pipeline(socket, socket, () => {}));
  await context.stdout.write('ready\n');
  return forever(context);
};

/** Where a script says `sleep 1`. */
const PAUSE_MS = 50;

async function forever({ sleep }: FakeProgramContext): Promise<never> {
  for (;;) await sleep(60_000);
}

async function write({ stdout }: FakeProgramContext, byte: number, count: number): Promise<void> {
  const block = Buffer.alloc(64 * 1024, byte);
  for (let left = count; left > 0; left -= block.byteLength) await stdout.write(block.subarray(0, left));
}

/** For each script of the conformance suite a program that does the same. */
const PROGRAMS: Readonly<Record<ConformanceScript, FakeProgram>> = {
  exit0: async () => 0,
  exit41: async () => 41,
  exit137: async () => 137,
  dieOfSegv: async ({ raise }) => {
    await raise('SEGV');
    return 0;
  },
  untilTerm: async (context) => {
    context.onSignal('TERM', () => context.exit(7));
    await context.stdout.write('ready\n');
    return forever(context);
  },
  ignoreTerm: async (context) => {
    context.onSignal('TERM', 'ignore');
    await context.stdout.write('ready\n');
    return forever(context);
  },
  reportSignals: async (context) => {
    context.onSignal('HUP', () => context.stdout.write('HUP\n'));
    context.onSignal('USR1', () => context.stdout.write('USR1\n'));
    context.onSignal('INT', () => context.exit(41));
    context.onSignal('TERM', () => context.exit(42));
    await context.stdout.write('ready\n');
    return forever(context);
  },
  logLines: async ({ stdout, stderr, sleep }) => {
    await stdout.write('out 1\n');
    await stdout.write('out 2\n');
    await sleep(PAUSE_MS);
    await stderr.write('err 3\n');
    await sleep(PAUSE_MS);
    await stdout.write('out 4');
    return 0;
  },
  rawBytes: async (context) => {
    await context.stdout.write(Uint8Array.of(0x61, 0xff, 0xfe, 0x00, 0x62, 0x0a));
    await write(context, 0x78, 1024 ** 2);
    await context.stdout.write('\n');
    await context.stdout.write('end\n');
    return 0;
  },
  flood: async (context) => {
    await write(context, 0, 32 * 1024 ** 2);
    return 0;
  },
  floodThenTouch: async (context) => {
    await context.stdout.write('ready\n');
    for await (const data of context.stdin) await context.stdout.write(data);
    await write(context, 0, 3_000_000);
    context.files.write(context.argv[4] ?? '', '');
    return 0;
  },
  ticker: async ({ stdout, sleep }) => {
    for (;;) {
      await stdout.write('tick\n');
      await sleep(PAUSE_MS);
    }
  },
  surroundings: async ({ argv, cwd, user, env, stdout }) => {
    // argv is: shell, -c, script, $0, $1, …
    const lines = {
      cwd,
      uid: user.uid,
      gid: user.gid,
      image: env['CONFORMANCE_IMAGE'] ?? '',
      both: env['CONFORMANCE_BOTH'] ?? '',
      spec: env['CONFORMANCE_SPEC'] ?? '',
      args: argv.slice(4).join(' '),
    };
    for (const [name, value] of Object.entries(lines)) await stdout.write(`${name} ${value}\n`);
    return 0;
  },
  cat: async ({ stdin, stdout }) => {
    for await (const data of stdin) await stdout.write(data);
    return 0;
  },
  fail5: async ({ stdout, stderr }) => {
    await stdout.write('out\n');
    await stderr.write('err\n');
    return 5;
  },
  killItself: async ({ raise }) => {
    await raise('KILL');
    return 0;
  },
  terminal: async (context) => {
    const showSize = async (): Promise<void> => {
      const { columns = 0, rows = 0 } = context.terminal ?? {};
      await context.stdout.write(`${rows} ${columns}\r\n`);
    };
    await showSize();
    await readLine(context.stdin);
    await showSize();
    return 0;
  },
  echoServer: async (context) => {
    context.listen(7777, (socket) => pipeline(socket, socket, () => {}));
    await context.stdout.write('ready\n');
    return forever(context);
  },
  showFiles: async ({ argv, files, stdout, stderr }) => {
    let code = 0;
    for (const path of argv.slice(4)) {
      try {
        await stdout.write(files.read(path));
      } catch (error) {
        await stderr.write(`${(error as Error).message}\n`);
        code = 1;
      }
    }
    return code;
  },
  tryWrites: async ({ argv, files, stdout }) => {
    for (const path of argv.slice(4)) {
      let word = 'wrote';
      try {
        files.write(path, 'new\n', { append: true });
      } catch {
        word = 'refused';
      }
      await stdout.write(`${word} ${path}\n`);
    }
    return 0;
  },
  addLines: async ({ argv, files, stdout }) => {
    for (const path of argv.slice(4)) {
      files.write(path, 'line\n', { append: true });
      await stdout.write(`${files.readText(path).split('\n').length - 1}\n`);
    }
    return 0;
  },
  fill: async ({ argv, files, stdout }) => {
    try {
      files.write(argv[4] ?? '', new Uint8Array(Number(argv[5])));
      await stdout.write('filled\n');
    } catch {
      await stdout.write('full\n');
    }
    return 0;
  },
  modes: async ({ argv, files, stdout }) => {
    for (const path of argv.slice(4)) await stdout.write(`${files.stat(path)?.mode.toString(8)}\n`);
    return 0;
  },
  isThere: async ({ argv, files }) => (files.stat(argv[4] ?? '') === undefined ? 1 : 0),
  wellUntilUsr1: async (context) => {
    context.files.write('/tmp/well', '');
    context.onSignal('USR1', () => {
      context.files.remove('/tmp/well');
      return context.stdout.write('sick\n');
    });
    context.onSignal('TERM', () => context.exit(7));
    await context.stdout.write('ready\n');
    return forever(context);
  },
  httpServer: async (context) => {
    context.listen(7780, (socket) => {
      socket.on('error', () => {});
      socket.once('data', (request: Buffer) => {
        const status = request.toString().startsWith('GET / ') ? '200 OK' : '404 Not Found';
        socket.end(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`);
      });
    });
    await context.stdout.write('ready\n');
    return forever(context);
  },
  hostname: async ({ hostname, stdout }) => {
    await stdout.write(`${hostname}\n`);
    return 0;
  },
  ownPid: async ({ pid, stdout }) => {
    await stdout.write(`pid ${pid}\n`);
    return 0;
  },
  eatMemory: async ({ stdout, allocate }) => {
    await stdout.write('ready\n');
    for (;;) await allocate(16 * 1024 ** 2);
  },
  spawnMany: missing,
  ulimits: missing,
  capabilities: missing,
  interfaces: missing,
  addresses: missing,
  exit41Later: async ({ stdout, sleep }) => {
    await stdout.write('waiting\n');
    await sleep(PAUSE_MS);
    return 41;
  },
};

/** What a runtime in memory has nothing of. */
async function missing({ stderr }: FakeProgramContext): Promise<number> {
  await stderr.write('there is no kernel here\n');
  return 1;
}

async function readLine(stdin: FakeInput): Promise<void> {
  let data: Uint8Array | undefined;
  do data = await stdin.read();
  while (data !== undefined && !data.includes(0x0a));
}

/**
 * A `/bin/sh` that understands `-c` with the scripts of `CONFORMANCE_SCRIPTS`, letter by letter, and nothing else: for
 * each it runs a program that does the same.
 */
export const conformanceShell: FakeProgram = async (context) => {
  const [, option, text] = context.argv;
  const name = Object.entries(CONFORMANCE_SCRIPTS).find(([, script]) => script === text)?.[0];
  if (option === '-c' && name !== undefined) return PROGRAMS[name as ConformanceScript](context);
  await context.stderr.write('sh: this shell knows only the scripts of the conformance suite\n');
  return 127;
};
