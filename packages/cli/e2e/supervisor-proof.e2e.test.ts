import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { basename } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Place } from './place.ts';
import { PROGRAM } from './zlayer.ts';

/** Size of the first burst of output. */
const MEGABYTES = Number(process.env['ZLAYER_PROOF_MEGABYTES'] ?? 256);
/** Lines of a block, of 128 bytes each: a block is a megabyte. */
const BLOCK_LINES = 8192;
/** Blocks of the burst in whose middle the supervisor is killed. */
const SECOND_BURST = 48;
/** What the supervisor's memory may grow by under any amount of output. */
const GROWTH_BYTES = 64 * 1024 ** 2;

/**
 * Serves HTTP, counts in its log, and writes as many numbered blocks as it is told to. Everything is asked of it through
 * the published port, so that no other program of ours is needed.
 */
const SERVICE = `#!/bin/sh
echo $$ > /run/service
cat /proc/sys/kernel/random/boot_id > /www/boot
httpd -p 8080 -h /www
i=0; while [ $i -lt ${BLOCK_LINES} ]; do i=$((i+1)); printf '%0127d\\n' $i; done > /run/block
tick=0; block=0
echo started
while :; do
  if [ -e /run/burst ]; then
    end=$((block + $(cat /run/burst))); rm /run/burst
    while [ $block -lt $end ]; do
      block=$((block+1)); echo "block $block"; cat /run/block; echo $block > /run/written; mv /run/written /www/written
    done
  fi
  tick=$((tick+1)); echo "tick $tick"
  sleep 0.1
done
`;
const cgi = (script: string): string => `#!/bin/sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n'\n${script}\n`;
const PROGRAMS = {
  'bin/service': SERVICE,
  'bin/healthy': '#!/bin/sh\necho x >> /www/probes; test -e /run/healthy\n',
  'www/cgi-bin/burst': cgi('echo $QUERY_STRING > /run/asked; mv /run/asked /run/burst; echo yes'),
  'www/cgi-bin/heal': cgi('touch /run/healthy; echo yes'),
  'www/cgi-bin/die': cgi('kill -9 $(cat /run/service)'),
};

let place: Place;
let served: ServedImages<'service'>;

beforeAll(async () => {
  place = await Place.make();
  const extra = [
    { type: 'directory' as const, path: 'www', mode: 0o755 },
    { type: 'directory' as const, path: 'www/cgi-bin', mode: 0o755 },
    ...Object.entries(PROGRAMS).map(([path, content]) => ({ path, mode: 0o755, content })),
  ];
  served = await serveBusybox({
    architectures: ['amd64'],
    images: { service: { extra, config: { Cmd: ['/bin/service'] } } },
  });
});
afterAll(async () => {
  await place?.[Symbol.asyncDispose]();
  await served?.[Symbol.asyncDispose]();
});

it('the supervisor alone serves, logs, checks and restarts, and dies without a loss', {
  timeout: 600_000,
}, async () => {
  const health = ['--health-cmd', '/bin/healthy', '--health-interval', '500ms', '--health-retries', '2'];
  await place.ok(
    'run',
    '-d',
    '--name',
    'proof',
    '-q',
    '-p',
    `${await freePort()}:8080`,
    '--restart',
    'always',
    ...health,
    served.images.service,
  );
  const address = (await place.ok('port', 'proof', '8080')).trim();
  await expect.poll(() => place.ok('ps'), { timeout: 20_000 }).toContain('(unhealthy)');

  // From here on there is nobody but the supervisor.
  const supervisor = (await place.supervisorPid()) ?? 0;
  await expect.poll(() => nodeProcesses(place.directory)).toEqual([supervisor]);
  const get = async (path: string): Promise<string> => await (await fetch(`http://${address}/${path}`)).text();
  const written = async (): Promise<number> => Number(await get('written'));

  expect(await get(`cgi-bin/burst?${MEGABYTES}`)).toBe('yes\n');
  await expect.poll(written, { timeout: 60_000, interval: 100 }).toBeGreaterThanOrEqual(MEGABYTES / 4);
  const [before, beganAt, quarter] = [memoryOf(supervisor), performance.now(), await written()];
  let peak = before;
  let requests = 0;
  while ((await written()) < MEGABYTES) {
    requests += 1;
    peak = Math.max(peak, memoryOf(supervisor));
    await delay(250);
  }
  const speed = (MEGABYTES - quarter) / ((performance.now() - beganAt) / 1000);
  const growth = peak - before;
  process.stderr.write(
    `${MEGABYTES} MB of output: ${speed.toFixed(1)} MB/s, ${requests} requests meanwhile, ` +
      `supervisor at most ${(peak / 1024 ** 2).toFixed(0)} MiB, ${(growth / 1024 ** 2).toFixed(0)} MiB above its first quarter\n`,
  );
  expect(growth).toBeLessThan(GROWTH_BYTES);

  // Nobody asks for it, and the health is checked.
  expect(await get('cgi-bin/heal')).toBe('yes\n');
  const probes = (await get('probes')).length;
  await expect.poll(async () => (await get('probes')).length, { timeout: 20_000 }).toBeGreaterThan(probes + 4);
  expect(nodeProcesses(place.directory)).toEqual([supervisor]);
  expect(await place.ok('ps')).toContain('(healthy)');

  // Its own kill(2), not a user's: the policy restarts it, in a machine of its own.
  const boot = await get('boot');
  await get('cgi-bin/die').catch(() => {});
  const isAnother = async (): Promise<boolean> => ![boot, ''].includes(await get('boot').catch(() => ''));
  await expect.poll(isAnother, { timeout: 60_000 }).toBe(true);
  expect(nodeProcesses(place.directory)).toEqual([supervisor]);

  expect(await get(`cgi-bin/burst?${SECOND_BURST}`)).toBe('yes\n');
  await expect.poll(written, { timeout: 60_000, interval: 50 }).toBeGreaterThanOrEqual(SECOND_BURST / 4);
  await place.endSupervisor('SIGKILL');
  expect(nodeProcesses(place.directory)).toEqual([]);
  // The port went with the supervisor, and comes back where it was.
  await expect(get('written')).rejects.toThrow();
  expect(await place.ok('ps')).toMatch(/Up .*proof-0$/m);
  expect((await place.ok('port', 'proof', '8080')).trim()).toBe(address);
  await expect.poll(written, { timeout: 60_000 }).toBe(SECOND_BURST);
  expect(await place.ok('exec', 'proof', 'cat', '/www/written')).toBe(`${SECOND_BURST}\n`);
  const [details] = JSON.parse(await place.ok('inspect', 'proof'));
  expect(details).toMatchObject({ state: { status: 'running' }, restarts: 1 });
  await expect.poll(async () => (await place.ok('logs', '--tail', '1', 'proof')).slice(0, 5)).toBe('tick ');

  expect(await checkLog()).toBe(SECOND_BURST);
  expect(await place.ok('stop', '-t', '1', 'proof')).toBe('proof\n');
});

/**
 * Reads the log, whose oldest part may have been rotated away, and finds every line that is not the one after its
 * predecessor. Resolves to the number of the last block.
 */
async function checkLog(): Promise<number | undefined> {
  const child = spawn(process.execPath, [PROGRAM, 'logs', 'proof'], {
    env: { ...process.env, ...place.env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  const last: { tick?: number | undefined; block?: number | undefined; line?: number | undefined } = {};
  const gaps: string[] = [];
  const follows = (kind: 'tick' | 'block' | 'line', number: number): void => {
    if (last[kind] !== undefined && number !== last[kind] + 1) gaps.push(`${kind} ${last[kind]}, then ${number}`);
    last[kind] = number;
  };
  for await (const line of createInterface(child.stdout)) {
    const [, kind, number] = /^(tick|block) (\d+)$/.exec(line) ?? [];
    const endsBlock = kind !== undefined || line === 'started';
    if (endsBlock && last.line !== undefined && last.line !== 0 && last.line !== BLOCK_LINES) {
      // The kill comes between two ticks: no block is cut short.
      gaps.push(`line ${last.line}, then ${line}`);
    }
    if (kind === 'block') last.line = 0;
    else if (endsBlock) last.line = undefined;
    if (line === 'started') {
      [last.tick, last.block] = [0, 0];
    } else if (kind === 'tick' || kind === 'block') follows(kind, Number(number));
    else if (/^\d{127}$/.test(line)) follows('line', Number(line));
    else gaps.push(`no line of the service: ${line}`);
  }
  await closed;
  expect({ code: child.exitCode, gaps }).toEqual({ code: 0, gaps: [] });
  return last.block;
}

/** Node processes that work in a data directory. */
function nodeProcesses(directory: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const said = readFileSync(`/proc/${name}/cmdline`, 'utf8') + readFileSync(`/proc/${name}/environ`, 'utf8');
      const isNode = basename(readlinkSync(`/proc/${name}/exe`)) === 'node';
      return isNode && said.includes(directory) ? [Number(name)] : [];
    } catch {
      // It has ended.
      return [];
    }
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** What a process alone holds in memory, in bytes. */
function memoryOf(pid: number): number {
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024;
}
