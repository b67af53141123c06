import { execFile } from 'node:child_process';
import { lstat, mkdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type ServedImages, serveBusybox } from '@zlayer/test-images';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Place } from './place.ts';
import { PROGRAM, zlayer } from './zlayer.ts';

const run = promisify(execFile);

describe('what is done with a container that runs', () => {
  let place: Place;
  let served: ServedImages<'plain'>;
  let started: string;

  beforeAll(async () => {
    place = await Place.make();
    served = await serveBusybox({ architectures: ['amd64'], images: { plain: {} } });
    started = new Date().toISOString();
    const published = ['-p', '8080', '-p', '127.0.0.1:0:5353/udp'];
    await place.ok('run', '-d', '-q', '--name', 'box', ...published, served.images.plain, 'sleep', '100000');
  });
  afterAll(async () => {
    await place?.[Symbol.asyncDispose]();
    await served?.[Symbol.asyncDispose]();
  });

  const inBox = (script: string): Promise<string> => place.ok('exec', 'box', 'sh', '-c', script);
  const here = (name: string): string => join(place.directory, name);
  /** A pipeline of a shell, in which `zlayer` is the command. */
  const shell = async (script: string): Promise<string> => {
    const command = `zlayer() { '${process.execPath}' '${PROGRAM}' "$@"; }; set -e; cd '${place.directory}'; ${script}`;
    return (await run('sh', ['-c', command], { env: { ...process.env, ...place.env } })).stdout;
  };

  describe('cp', () => {
    beforeAll(async () => {
      await mkdir(here('tree/empty'), { recursive: true });
      await writeFile(here('tree/plain'), 'plain text', { mode: 0o640 });
      await writeFile(here('tree/program'), '#!/bin/sh\necho runs\n', { mode: 0o755 });
      await symlink('plain', here('tree/link'));
      await symlink('tree', here('tree-link'));
      await shell('chown 1234:2345 tree/plain');
      await inBox(
        'mkdir /into; ln -s /into /into-link; mkdir -p /out/sub; echo deep >/out/sub/file; chmod 600 /out/sub/file',
      );
      await inBox('chown 77:88 /out/sub/file; ln -s sub/file /out/link; ln -s /out /out-link; ln -s loop /loop');
    });

    it('brings a directory into one that is there, with modes and links, and makes it root’s', async () => {
      await place.ok('cp', here('tree'), 'box:/into');
      expect(await inBox('cd /into/tree; stat -c "%a %u:%g %F %n" *; readlink link; cat link; ./program')).toBe(
        [
          '755 0:0 directory empty',
          '777 0:0 symbolic link link',
          '640 0:0 regular file plain',
          '755 0:0 regular file program',
          'plain',
          'plain textruns\n',
        ].join('\n'),
      );
    });

    it('gives it another name where there is none, and takes only what is in it with "/."', async () => {
      await place.ok('cp', here('tree'), 'box:/into/renamed');
      await place.ok('cp', `${here('tree')}/.`, 'box:/into-link');
      expect(await inBox('ls /into/renamed /into; ls -d /into-link/plain')).toBe(
        [
          '/into:\nempty\nlink\nplain\nprogram\nrenamed\ntree\n',
          '/into/renamed:\nempty\nlink\nplain\nprogram\n/into-link/plain\n',
        ].join('\n'),
      );
    });

    it('keeps owners with --archive, both ways', async () => {
      await place.ok('cp', '--archive', here('tree/plain'), 'box:/into/owned');
      expect(await inBox('stat -c "%a %u:%g" /into/owned')).toBe('640 1234:2345\n');
      await place.ok('cp', '-a', 'box:/out/sub/file', here('owned'));
      expect(await lstat(here('owned'))).toMatchObject({ uid: 77, gid: 88, mode: 0o100600 });
      await place.ok('cp', 'box:/out/sub/file', here('mine'));
      expect(await lstat(here('mine'))).toMatchObject({ uid: process.getuid?.(), mode: 0o100600 });
    });

    it('brings out directories and files, as what they are', async () => {
      await mkdir(here('target'));
      await place.ok('cp', 'box:/out', here('target'));
      expect(await readFile(here('target/out/sub/file'), 'utf8')).toBe('deep\n');
      expect(await readlink(here('target/out/link'))).toBe('sub/file');
      await place.ok('cp', 'box:/out/.', here('content'));
      expect(await readFile(here('content/sub/file'), 'utf8')).toBe('deep\n');
      await place.ok('cp', 'box:/out/sub/file', here('target/renamed'));
      expect(await readFile(here('target/renamed'), 'utf8')).toBe('deep\n');
    });

    it('copies a link as a link, and with --follow-link what it leads to', async () => {
      await place.ok('cp', 'box:/out/link', here('a-link'));
      expect(await readlink(here('a-link'))).toBe('sub/file');
      await place.ok('cp', '-L', 'box:/out/link', here('a-file'));
      expect(await readFile(here('a-file'), 'utf8')).toBe('deep\n');
      await place.ok('cp', here('tree-link'), 'box:/into');
      await place.ok('cp', '--follow-link', here('tree-link'), 'box:/into/followed');
      expect(await inBox('readlink /into/tree-link; cat /into/followed/plain')).toBe('tree\nplain text');
    });

    it('takes and gives tar archives on its standard streams', async () => {
      const listed = await shell(
        'tar -cf - tree | zlayer cp - box:/tmp && zlayer cp box:/tmp/tree - | tar -tf - | sort',
      );
      expect(listed).toBe('tree/\ntree/empty/\ntree/link\ntree/plain\ntree/program\n');
      expect(await inBox('cat /tmp/tree/plain')).toBe('plain text');
      expect(
        await shell(
          'head -c 3000000 /dev/urandom >big; zlayer cp big box:/tmp; zlayer cp box:/tmp/big back; cmp big back',
        ),
      ).toBe('');
    });

    it.each<[string[], RegExp]>([
      [['box:/nowhere', 'HERE/x'], /\/nowhere/],
      [['box:/loop', '-L', 'HERE/x'], /\/loop .*symbolic link/],
      [['HERE/nowhere', 'box:/tmp'], /no .*\/nowhere on this machine\n.*NAME:PATH/],
      [['HERE/tree/plain', 'box:/tmp/nowhere/'], /no directory \/tmp\/nowhere\/\n.*Make it first/],
      [['HERE/tree/plain', 'box:/nowhere/x'], /\/nowhere/],
      [['HERE/tree', 'box:/etc/passwd'], /\/etc\/passwd is no directory.*\nName a directory/],
      [['box:/out/sub/file', 'HERE/nowhere/x'], /no directory .*\/nowhere\nMake it first/],
      [['box:/out', 'HERE/tree/plain'], /plain is no directory.*\nName a directory/],
      [['box:/out', 'box:/tmp'], /one of the two.*\nWrite NAME:PATH/],
      [['HERE/tree', 'HERE/x'], /one of the two.*\nWrite NAME:PATH/],
      [['nobody:/out', 'HERE/x'], /no container nobody\nSee "zlayer ps --all"/],
    ])('says what is wrong with cp %j', async (words, message) => {
      const { code, stdout, stderr } = await place.finish(
        'cp',
        ...words.map((word) => word.replace('HERE', place.directory)),
      );
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
      expect(stderr).toMatch(message);
      expect(stderr).not.toMatch(/unexpected failure/);
    });

    it('says which file of this machine it may not read, or cannot write, and what to look at', async () => {
      await mkdir(here('unreadable'));
      await writeFile(here('unreadable/secret'), 'secret', { mode: 0 });
      const powers = '-dac_override,-dac_read_search';
      // Root may read everything, unless he gives that up.
      const humble = process.getuid?.() === 0 ? ['setpriv', '--bounding-set', powers, '--inh-caps', powers] : [];
      const words = [...humble, process.execPath, PROGRAM, 'cp', here('unreadable'), 'box:/tmp'].join(' ');
      const failed = await shell(`${words} 2>&1 || echo "code $?"`);
      expect(failed).toMatch(/^zlayer: cannot copy \S+\/unreadable.*EACCES.*\nLook at its permissions.*\ncode 1\n$/);
      expect(await place.finish('cp', 'box:/out/sub/file', '/proc/zlayer')).toMatchObject({
        code: 1,
        stderr: expect.stringMatching(/^zlayer: cannot copy \/proc\/zlayer.*ENOENT.*\nLook at its permissions/),
      });
    });
  });

  it('top lists the processes of the container, those of an exec too', async () => {
    await place.ok('exec', '-d', 'box', 'sleep', '4321');
    const [head, ...lines] = (await place.ok('top', 'box')).trimEnd().split('\n');
    expect(head).toMatch(/^UID +PID +PPID +CMD$/);
    const commands = lines.map((line) => /^0 +\d+ +\d+ +(.*)$/.exec(line)?.[1]);
    expect(commands).toEqual(expect.arrayContaining(['sleep 100000', 'sleep 4321']));
    const documents = JSON.parse(await place.ok('top', 'box', '--json'));
    expect(documents).toContainEqual(
      expect.objectContaining({ user: '0', command: 'sleep 4321', pid: expect.any(Number) }),
    );
    expect(await place.finish('exec', '-d', 'box', 'no-such-program')).toMatchObject({
      code: 127,
      stdout: '',
      stderr: expect.stringContaining('no-such-program'),
    });
  });

  it('a detached exec goes on when the supervisor is killed', async () => {
    await place.ok('exec', '-d', 'box', 'sh', '-c', 'while :; do echo output nobody reads; sleep 0.1; done; # goes-on');
    await place.endSupervisor('SIGKILL');
    expect(await place.ok('top', 'box')).toMatch(/goes-on/);
  });

  it('stats measures once or again and again, and tells what it has not measured as such', async () => {
    const [head, line, ...more] = (await place.ok('stats', '--no-stream', 'box')).trimEnd().split('\n');
    expect(head?.split(/ {2,}/)).toEqual([
      'CONTAINER ID',
      'NAME',
      'CPU %',
      'MEM USAGE / LIMIT',
      'MEM %',
      'NET I/O',
      'BLOCK I/O',
      'PIDS',
    ]);
    expect(line).toMatch(/^[0-9a-f-]{12} +box-0 +\d+\.\d\d% +[\d.]+ ?\w+ \/ [\d.]+ ?\w+ +\d+\.\d\d% +.* +\d+$/);
    expect(more).toEqual([]);
    const sample = JSON.parse(await place.ok('stats', '--no-stream', '--json'));
    expect(sample).toMatchObject({
      name: 'box-0',
      memoryBytes: expect.any(Number),
      cpuTimeNs: expect.stringMatching(/^\d+$/),
    });
    await using streaming = zlayer(['stats', '--json', 'box'], place.env);
    await expect.poll(() => streaming.stdout.split('\n').length, { timeout: 20_000 }).toBeGreaterThan(2);
    streaming.process.kill('SIGINT');
    expect(await streaming.finished()).toMatchObject({ code: 0, stderr: '' });
    expect(await place.finish('stats', 'nobody')).toMatchObject({ code: 1, stdout: '' });
  });

  it('port tells where ports are on the host, all or one', async () => {
    const lines = (await place.ok('port', 'box')).trimEnd().split('\n').sort();
    expect(lines).toEqual([
      expect.stringMatching(/^5353\/udp -> 127\.0\.0\.1:\d+$/),
      expect.stringMatching(/^8080\/tcp -> 127\.0\.0\.1:\d+$/),
    ]);
    expect(`8080/tcp -> ${await place.ok('port', 'box', '8080')}`).toBe(`${lines[1]}\n`);
    expect(`5353/udp -> ${await place.ok('port', 'box', '5353/udp')}`).toBe(`${lines[0]}\n`);
    expect(JSON.parse(await place.ok('port', 'box', '--json'))).toHaveLength(2);
    const missing = await place.finish('port', 'box', '5353');
    expect(missing).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/5353 of box is published\nSee "zlayer port/),
    });
  });

  it('what has happened to it is told from a moment to a moment', async () => {
    const now = (): string => new Date().toISOString();
    const past = (await place.ok('events', '--since', started, '--until', now())).trimEnd().split('\n');
    expect(past.map((line) => /^\S+Z container (\S+) [0-9a-f-]{36} \(name=box-0\)$/.exec(line)?.[1])).toEqual([
      'create',
      'start',
    ]);
    const none = ['events', '--since', started, '--until', now(), '--filter', 'event=die'];
    expect(await place.ok(...none)).toBe('');
    expect(await place.finish('events', '--filter', 'colour=red')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/Filter by container, event, type/),
    });
  });

  it('commands of a container that has ended say so', async () => {
    await place.ok('stop', '-t', '0', 'box');
    for (const words of [
      ['exec', '-d', 'box', 'true'],
      ['top', 'box'],
      ['cp', 'box:/out', here('late')],
      ['stats', 'box', '--no-stream'],
    ]) {
      const { code, stdout, stderr } = await place.finish(...words);
      expect({ words, code, stdout }).toEqual({ words, code: 1, stdout: '' });
      expect(stderr).toMatch(/box.*not running/);
    }
    expect(await place.ok('port', 'box')).toBe('');
    await place.ok('rm', 'box');
  });

  it('create makes a container that start -a runs, with its output and exit code', async () => {
    const script = 'echo out; echo err >&2; cat; exit 6';
    expect(await place.ok('create', '-q', '-i', '--name', 'once', served.images.plain, 'sh', '-c', script)).toBe(
      'once-0\n',
    );
    expect(await place.ok('ps', '--all')).toMatch(/Created .*once-0$/m);
    const { stdout } = await run(
      'sh',
      ['-c', `echo typed | '${process.execPath}' '${PROGRAM}' start -ai once; echo "code $?"`],
      {
        env: { ...process.env, ...place.env },
      },
    );
    expect(stdout).toBe('out\ntyped\ncode 6\n');
    expect(await place.ok('logs', 'once')).toBe('out\ntyped\n');
    await place.ok('rm', 'once');
  });

  it('events shows what a run in another process does, while it does it', async () => {
    await using events = zlayer(['events', '--json', '--filter', 'container=short'], place.env);
    await delay(1500);
    expect(
      await place.finish('run', '--rm', '-q', '--name', 'short', served.images.plain, 'sh', '-c', 'exit 4'),
    ).toMatchObject({ code: 4 });
    await events.printed('"action":"destroy"');
    events.process.kill('SIGINT');
    const { code, stdout } = await events.finished();
    expect(code).toBe(0);
    const told = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(told.flatMap(({ action }) => action ?? [])).toEqual(['create', 'start', 'die', 'destroy']);
    expect(told.find(({ action }) => action === 'die')).toMatchObject({ result: { reason: 'exited', exitCode: 4 } });
  });
});
