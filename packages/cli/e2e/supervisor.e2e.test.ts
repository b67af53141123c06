import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connectSupervisor, isAlive, processIdentity } from '@zlayer/host';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Terminal, terminal } from './terminal.ts';
import { type Finished, PROGRAM, zlayer } from './zlayer.ts';

describe('containers of the supervisor', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-cli-'));
    served = await serveBusybox({ architectures: ['amd64'], images: { plain: {} } });
  });
  afterAll(async () => {
    // Also what a failed test has left running.
    for (const name of ['web', 'sh']) await finish('rm', '--force', name);
    await endSupervisor('SIGTERM');
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const finish = async (...args: string[]): Promise<Finished> => {
    await using running = zlayer(args, { ZLAYER_DATA_DIR: dataDir });
    return await running.finished();
  };
  const ok = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await finish(...args);
    expect({ args, code, stderr }).toMatchObject({ code: 0, stderr });
    return stdout;
  };
  const onTerminal = (...args: string[]): Terminal =>
    terminal([process.execPath, PROGRAM, ...args], { ZLAYER_DATA_DIR: dataDir });
  const endSupervisor = async (signal: NodeJS.Signals): Promise<void> => {
    const client = await connectSupervisor(dataDir);
    if (!client) return;
    const identity = processIdentity(client.pid);
    process.kill(client.pid, signal);
    await client.closed;
    while (identity && isAlive(identity)) await delay(20);
  };

  it('runs a container on, and reaches it from other commands', async () => {
    const script = 'trap "exit 7" TERM; echo started; while :; do sleep 0.1; done';
    const args = ['--name', 'web', '-q', '-l', 'a=b', served.images.plain, 'sh', '-c', script];
    expect(await ok('run', '-d', ...args)).toBe('web-0\n');
    expect(await ok('ps')).toMatch(/web-0$/m);
    const [row] = JSON.parse(await ok('ps', '--json'));
    expect(row).toMatchObject({ name: 'web-0', state: { status: 'running' } });
    expect(await ok('logs', row.instance.slice(0, 8))).toBe('started\n');
    expect(JSON.parse(await ok('inspect', 'web'))[0].spec.labels).toEqual({ a: 'b' });
    expect(await finish('exec', 'web', 'sh', '-c', 'echo out; echo err >&2; exit 5')).toEqual({
      code: 5,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(await finish('exec', 'web', 'no-such-program')).toMatchObject({ code: 127 });
    expect(await ok('top', 'web')).toMatch(/CMD/);
    expect(await ok('stats', '--no-stream', 'web')).toMatch(/^web-0 /m);
  });

  it('copies files in and out', async () => {
    const file = join(dataDir, 'note.txt');
    await writeFile(file, 'a note');
    await ok('cp', file, 'web:/tmp/renamed.txt');
    expect(await ok('exec', 'web', 'cat', '/tmp/renamed.txt')).toBe('a note');
    const back = join(dataDir, 'back.txt');
    await ok('cp', 'web:/tmp/renamed.txt', back);
    expect(await readFile(back, 'utf8')).toBe('a note');
  });

  it('gives an exec a real terminal: raw, sized, resized', async () => {
    await using shell = onTerminal('exec', '-it', 'web', 'sh');
    await shell.shows('#');
    shell.type('stty size; tty -s && echo tty-$((6*7))\r');
    await shell.shows('24 80');
    await shell.shows('tty-42');
    shell.resize(33, 101);
    await delay(500);
    shell.type('stty size\r');
    await shell.shows('33 101');
    shell.type('sleep 100\r');
    await delay(500);
    // Ctrl-C is the shell's, not the command's.
    shell.type('\x03');
    shell.type('exit 9\r');
    expect(await shell.ended).toBe(9);
  });

  it('is adopted by the next command after its supervisor was killed', async () => {
    await endSupervisor('SIGKILL');
    expect(await ok('ps')).toMatch(/Up .*web-0$/m);
    expect(await ok('exec', 'web', 'echo', 'still here')).toBe('still here\n');
  });

  it('stops with the exit code of the workload, and is removed', async () => {
    expect(await ok('stop', 'web')).toBe('web\n');
    expect(await ok('wait', 'web')).toBe('7\n');
    expect(await ok('ps')).not.toMatch(/web-0/);
    expect(await ok('ps', '-a')).toMatch(/Exited \(7\)/);
    expect(await ok('rm', 'web')).toBe('web\n');
    expect(await finish('rm', 'web')).toMatchObject({ code: 1, stderr: expect.stringMatching(/no container web/) });
  });

  it('leaves a container running on the detach keys, and attaches to it again', async () => {
    await using shell = onTerminal('run', '--rm', '-it', '--name', 'sh', served.images.plain, 'sh');
    await shell.shows('#');
    shell.type('\x10\x11');
    expect(await shell.ended).toBe(0);
    expect(await ok('ps')).toMatch(/sh-0$/m);
    await using again = onTerminal('attach', 'sh');
    again.type('echo back-$((6*7))\r');
    await again.shows('back-42');
    again.type('exit 3\r');
    expect(await again.ended).toBe(3);
  });
});
