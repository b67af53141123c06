import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Running, zlayer } from './zlayer.ts';

describe('zlayer run', () => {
  let dataDir: string;
  let served: ServedImages<'plain'>;

  beforeAll(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'zlayer-cli-'));
    served = await serveBusybox({ architectures: ['amd64', 'arm64'], images: { plain: {} } });
  });
  afterAll(async () => {
    await served?.[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  });

  const run = (...args: string[]): Running => zlayer(['run', '--rm', '--data-dir', dataDir, ...args]);
  const containers = (): Promise<string[]> => readdir(join(dataDir, 'qemu', 'containers'));

  it('shows the pull once, streams both outputs and ends with the exit code of the command', async () => {
    await using first = run(served.images.plain, 'sh', '-c', 'echo out; echo err >&2; exit 7');
    expect(await first.finished()).toMatchObject({ code: 7, stdout: 'out\n' });
    expect(first.stderr).toMatch(/^Pulling 127\.0\.0\.1:\d+\/plain:latest\n[0-9a-f]{12} {2}[\d.]+ [KM]iB\nerr\n$/);
    await using second = run(served.images.plain, 'true');
    expect(await second.finished()).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await containers()).toEqual([]);
  });

  it('passes its options on', async () => {
    const options = ['--cpus', '2', '--memory', '256Mi', '-e', 'A=1', '--env', 'B', '-w', '/srv', '-u', '7:8'];
    await using running = zlayer(
      ['run', '--rm', '--data-dir', dataDir, ...options, '--platform', 'linux/arm64', '-q', served.images.plain].concat(
        ...['sh', '-c', 'echo $A $B $(pwd) $(id -u):$(id -g) $(nproc) $(uname -m); grep MemTotal /proc/meminfo'],
      ),
      { B: 'two' },
    );
    const { code, stdout, stderr } = await running.finished();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const [line, memory] = stdout.split('\n');
    expect(line).toBe('1 two /srv 7:8 2 aarch64');
    const kibibytes = Number(/\d+/.exec(memory ?? '')?.[0]);
    // The machine has room for its kernel beside what the container may use.
    expect(kibibytes).toBeGreaterThan(256 * 1024);
    expect(kibibytes).toBeLessThan(400 * 1024);
  });

  it('shows output as it comes, and hands SIGTERM on', async () => {
    await using running = run(served.images.plain, 'sh', '-c', 'echo ready; sleep 100');
    await running.printed('ready\n');
    running.process.kill('SIGTERM');
    expect(await running.finished()).toMatchObject({ code: 143 });
    expect(await containers()).toEqual([]);
  });

  it('lets a command handle Ctrl-C, and ends it at the third', async () => {
    const script = 'trap "echo interrupted" INT; echo ready; while :; do sleep 0.2; done';
    await using running = run(served.images.plain, 'sh', '-c', script);
    await running.printed('ready\n');
    running.process.kill('SIGINT');
    await running.printed('interrupted\n');
    running.process.kill('SIGINT');
    await running.printed('interrupted\ninterrupted\n');
    running.process.kill('SIGINT');
    expect(await running.finished()).toMatchObject({ code: 137 });
  });

  it('cancels a start that is under way', async () => {
    await using running = run(served.images.plain, 'sleep', '100');
    // Once it has a record, it is starting.
    await expect.poll(() => containers().catch(() => []), { timeout: 60_000, interval: 20 }).not.toEqual([]);
    running.process.kill('SIGINT');
    expect(await running.finished()).toMatchObject({ code: 130, stdout: '' });
    expect(await containers()).toEqual([]);
  });

  it('ends when the reader of its output goes away', async () => {
    await using running = run(served.images.plain, 'sh', '-c', 'echo first; yes');
    await running.printed('first\n');
    running.process.stdout?.destroy();
    expect(await running.finished()).toMatchObject({ code: 141 });
    expect(await containers()).toEqual([]);
  });

  it.each([
    [['no-such-program'], 127, /"no-such-program".*not found/],
    [['/etc/passwd'], 126, /"\/etc\/passwd"/],
  ])('tells %j from a command that failed, with exit code %i', async (command, code, message) => {
    await using running = run(served.images.plain, ...command);
    expect(await running.finished()).toMatchObject({ code, stdout: '', stderr: expect.stringMatching(message) });
    expect(await containers()).toEqual([]);
  });

  it.each([
    [['--memory', 'lots', 'plain'], /lots/],
    [['--platform', 'plan9/amd64', 'plain'], /plan9/],
    [['--cpus', 'none', 'plain'], /number/],
    [['--nonsense', 'plain'], /nonsense/],
    [[], /image/],
    [['UPPER/case'], /UPPER/],
    [['--pull', 'never', 'localhost:1/never-pulled'], /never-pulled/],
    [['localhost:1/no-registry'], /localhost:1/],
  ])('explains %j and ends with 125', async (args, message) => {
    await using running = run(...args);
    expect(await running.finished()).toMatchObject({ code: 125, stdout: '', stderr: expect.stringMatching(message) });
  });

  it('names an image that the registry does not have', async () => {
    await using running = run(`${served.host}/no-such-image`);
    expect(await running.finished()).toMatchObject({ code: 125, stderr: expect.stringMatching(/no-such-image/) });
  });
});
