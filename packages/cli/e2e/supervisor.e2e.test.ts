import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Place } from './place.ts';

describe('containers of the supervisor', () => {
  let place: Place;
  let served: ServedImages<'plain'>;

  beforeAll(async () => {
    place = await Place.make();
    served = await serveBusybox({ architectures: ['amd64'], images: { plain: {} } });
  });
  afterAll(async () => {
    await place?.[Symbol.asyncDispose]();
    await served?.[Symbol.asyncDispose]();
  });

  it('runs a container on, and reaches it from other commands', async () => {
    const script = 'trap "exit 7" TERM; echo started; while :; do sleep 0.1; done';
    const args = ['--name', 'web', '-q', '-l', 'a=b', served.images.plain, 'sh', '-c', script];
    expect(await place.ok('run', '-d', ...args)).toBe('web-0\n');
    expect(await place.ok('ps')).toMatch(/web-0$/m);
    const [row] = JSON.parse(await place.ok('ps', '--json'));
    expect(row).toMatchObject({ name: 'web-0', state: { status: 'running' } });
    expect(await place.ok('logs', row.instance.slice(0, 8))).toBe('started\n');
    expect(JSON.parse(await place.ok('inspect', 'web'))[0].spec.labels).toEqual({ a: 'b' });
    expect(await place.finish('exec', 'web', 'sh', '-c', 'echo out; echo err >&2; exit 5')).toEqual({
      code: 5,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(await place.finish('exec', 'web', 'no-such-program')).toMatchObject({ code: 127 });
    expect(await place.ok('top', 'web')).toMatch(/CMD/);
    expect(await place.ok('stats', '--no-stream', 'web')).toMatch(/ web-0 /);
  });

  it('copies files in and out', async () => {
    const file = join(place.directory, 'note.txt');
    await writeFile(file, 'a note');
    await place.ok('cp', file, 'web:/tmp/renamed.txt');
    expect(await place.ok('exec', 'web', 'cat', '/tmp/renamed.txt')).toBe('a note');
    const back = join(place.directory, 'back.txt');
    await place.ok('cp', 'web:/tmp/renamed.txt', back);
    expect(await readFile(back, 'utf8')).toBe('a note');
  });

  it('gives an exec a real terminal: raw, sized, resized', async () => {
    await using shell = place.onTerminal('exec', '-it', 'web', 'sh');
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
    await place.endSupervisor('SIGKILL');
    expect(await place.ok('ps')).toMatch(/Up .*web-0$/m);
    expect(await place.ok('exec', 'web', 'echo', 'still here')).toBe('still here\n');
  });

  it('stops with the exit code of the workload, and is removed', async () => {
    expect(await place.ok('stop', 'web')).toBe('web\n');
    expect(await place.ok('wait', 'web')).toBe('7\n');
    expect(await place.ok('ps')).not.toMatch(/web-0/);
    expect(await place.ok('ps', '-a')).toMatch(/Exited \(7\)/);
    expect(await place.ok('rm', 'web')).toBe('web\n');
    expect(await place.finish('rm', 'web')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/no container web/),
    });
  });

  it('leaves a container running on the detach keys, and attaches to it again', async () => {
    await using shell = place.onTerminal('run', '--rm', '-it', '--name', 'sh', served.images.plain, 'sh');
    await shell.shows('#');
    shell.type('\x10\x11');
    expect(await shell.ended).toBe(0);
    expect(await place.ok('ps')).toMatch(/sh-0$/m);
    await using again = place.onTerminal('attach', 'sh');
    again.type('echo back-$((6*7))\r');
    await again.shows('back-42');
    again.type('exit 3\r');
    expect(await again.ended).toBe(3);
  });
});
