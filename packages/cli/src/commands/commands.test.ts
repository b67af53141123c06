import { PassThrough } from 'node:stream';
import type { Runtime } from '@zlayer/runtime-core';
import { type FakeImage, FakeRuntime } from '@zlayer/runtime-core/fake';
import { afterEach, expect, it } from 'vitest';
import { complete } from '../complete.ts';
import { program } from '../program.ts';
import { placeOf, renamed } from './cp.ts';
import { splitReference } from './images.ts';
import { timeOf } from './logs.ts';

const image: FakeImage = {
  programs: {
    greet: async ({ stdout, stderr, env }) => {
      await stdout.write(`hello ${env['NAME'] ?? ''}\n`);
      await stderr.write('oops\n');
      return 3;
    },
    endure: async ({ sleep }) => {
      await sleep(60_000);
      return 0;
    },
    cat: async ({ stdin, stdout }) => {
      for await (const data of stdin) await stdout.write(data);
      return 0;
    },
  },
  command: ['greet'],
};

/** Closing belongs to whoever made it: each command closes what it was given. */
function shared(): { runtime: FakeRuntime; given: Runtime } {
  const runtime = new FakeRuntime({ images: { image }, maxMemoryBytes: 1024 ** 4 });
  const keepsOpen = { close: async () => {}, [Symbol.asyncDispose]: async () => {} };
  const given = new Proxy<Runtime>(runtime, {
    get: (target, key) => {
      const value = Reflect.get(key in keepsOpen ? keepsOpen : target, key);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  return { runtime, given };
}

const { given } = shared();

/** A terminal that a user types at; he gets to see it when the command has begun to read. */
class Keyboard extends PassThrough {
  readonly isTTY = true;
  isRaw = false;
  readonly #keys: readonly string[];

  constructor(...keys: string[]) {
    super();
    this.#keys = keys;
  }

  setRawMode(mode: boolean): void {
    this.isRaw = mode;
    if (!mode) return;
    // Each comes in a read of its own.
    const typeNext = (index: number): void => {
      const key = this.#keys[index];
      if (key !== undefined) this.write(key, () => setTimeout(typeNext, 5, index + 1));
    };
    setTimeout(typeNext, 5, 0);
  }
}

async function zlayer(args: string[], input: string | Keyboard = '') {
  const stdin = typeof input === 'string' ? new PassThrough().end(input) : input;
  const streams = { stdin, stdout: new PassThrough(), stderr: new PassThrough() };
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    streams[name].setEncoding('utf8').on('data', (chunk) => {
      text[name] += chunk;
    });
  }
  await program({ ...streams, env: {}, local: async () => given, supervised: async () => given }).parseAsync(args, {
    from: 'user',
  });
  return { code: process.exitCode, ...text };
}

afterEach(async () => {
  for (const { id } of await given.listContainers()) await given.removeContainer(id, { force: true });
  process.exitCode = 0;
});

// The fake runtime cannot keep containers, so `run -d` and `create` are tried on virtual machines.
const web = async () => {
  await given.createContainer({ service: 'web', replica: 0 }, { image: 'image', command: { args: ['endure'] } });
};

it('run shows both outputs, ends with the exit code, and removes the container with --rm', async () => {
  expect(await zlayer(['run', '--rm', '-q', '-e', 'NAME=you', 'image'])).toEqual({
    code: 3,
    stdout: 'hello you\n',
    stderr: 'oops\n',
  });
  await expect.poll(() => given.listContainers()).toEqual([]);
});

it('run without --rm leaves a container with its log', async () => {
  await zlayer(['run', '-q', '--name', 'once', 'image']);
  expect((await zlayer(['logs', 'once'])).stdout).toBe('hello \n');
});

it('run -i passes standard input on', async () => {
  expect(await zlayer(['run', '-i', '--rm', '-q', 'image', 'cat'], 'typed')).toMatchObject({
    code: 0,
    stdout: 'typed',
  });
});

it('a container is started, listed, executed in, paused, stopped and removed', async () => {
  await web();
  expect(await zlayer(['start', 'web'])).toEqual({ code: 0, stdout: 'web\n', stderr: '' });
  expect((await zlayer(['ps'])).stdout).toMatch(/^CONTAINER ID.*\n.*Up .*web-0\n$/);
  expect(await zlayer(['exec', '-e', 'NAME=x', 'web', 'greet'])).toEqual({
    code: 3,
    stdout: 'hello x\n',
    stderr: 'oops\n',
  });
  expect(await zlayer(['exec', '-i', 'web', 'cat'], 'in')).toMatchObject({ code: 0, stdout: 'in' });
  expect(await zlayer(['pause', 'web'])).toMatchObject({ code: 0 });
  expect(await zlayer(['unpause', 'web'])).toMatchObject({ code: 0 });
  expect(JSON.parse((await zlayer(['kill', '--json', 'web'])).stdout)).toMatchObject([{ name: 'web-0' }]);
  expect((await zlayer(['wait', 'web'])).stdout).toBe('137\n');
  expect(await zlayer(['rename', 'web', 'site'])).toMatchObject({ code: 0 });
  expect(await zlayer(['rm', 'site', 'nobody'])).toMatchObject({ code: 1, stdout: 'site\n' });
});

it('exec -d leaves its command to itself, and says so when there is none', async () => {
  await web();
  await given.startContainer({ service: 'web', replica: 0 });
  expect(await zlayer(['exec', '-d', 'web', 'endure'])).toEqual({ code: 0, stdout: '', stderr: '' });
  const detached = await zlayer(['exec', '--detach', '--json', '-it', 'web', 'endure']);
  expect(JSON.parse(detached.stdout)).toMatchObject({ name: 'web-0', instance: expect.any(String) });
  expect((await zlayer(['top', 'web'])).stdout.match(/endure/g)).toHaveLength(3);
  const missing = await zlayer(['exec', '-d', 'web', 'no-such-program']);
  expect(missing).toMatchObject({ code: 127, stdout: '', stderr: expect.stringContaining('no-such-program') });
});

it('exec -it is left with the detach keys, typed one by one, and its command goes on', async () => {
  await web();
  await given.startContainer({ service: 'web', replica: 0 });
  for (const [options, keys] of [
    [[], ['typed', '\x10', '\x11']],
    [
      ['--detach-keys', 'ctrl-x,y'],
      ['typed', '\x10\x11', '\x18', 'y', 'lost'],
    ],
  ] as const) {
    const keyboard = new Keyboard(...keys);
    const left = await zlayer(['exec', '-it', ...options, 'web', 'cat'], keyboard);
    expect(left).toMatchObject({ code: 0, stderr: '' });
    expect(keyboard.isRaw).toBe(false);
  }
  expect((await zlayer(['top', 'web'])).stdout.match(/cat/g)).toHaveLength(2);
  const wrong = await zlayer(['exec', '-it', '--detach-keys', 'ctrl-pp', 'web', 'cat'], new Keyboard());
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('ctrl-LETTER') });
});

it('ps shows only what all of its filters let through', async () => {
  const spec = { image: 'image', command: { args: ['endure'] } };
  await given.createContainer({ service: 'web', replica: 0 }, { ...spec, labels: { tier: 'front', team: 'a' } });
  const db = await given.createContainer({ service: 'db', replica: 0 }, { ...spec, labels: { tier: 'back' } });
  await given.startContainer({ service: 'db', replica: 0 });
  const shown = async (...filters: string[]): Promise<string[]> => {
    const { stdout } = await zlayer(['ps', '--json', ...filters.flatMap((filter) => ['--filter', filter])]);
    return JSON.parse(stdout).map(({ name }: { name: string }) => name);
  };
  expect(await shown('name=.')).toEqual(['db-0']);
  expect(await shown('status=created')).toEqual(['web-0']);
  expect((await shown('status=created', 'status=running')).sort()).toEqual(['db-0', 'web-0']);
  expect(await shown('status=pending', 'label=tier=front', 'label=team')).toEqual(['web-0']);
  expect(await shown('status=pending', 'label=tier=front', 'label=team=b')).toEqual([]);
  expect(await shown('label=constructor')).toEqual([]);
  expect(await shown('name=^web')).toEqual([]);
  expect(await shown(`id=${db.instance.slice(0, 12)}`)).toEqual(['db-0']);
});

it.each(['status=asleep', 'colour=red', 'running', 'name=('])('ps refuses the filter %s', async (filter) => {
  const { code, stdout, stderr } = await zlayer(['ps', '--json', '--filter', filter]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'INVALID_SPEC', subject: filter } });
});

it('a start says on stderr what it could not give', async () => {
  const { stderr, ...ran } = await zlayer(['run', '--name', 'huge', '-m', '2Ti', 'image', 'cat']);
  expect(ran).toEqual({ code: 0, stdout: '' });
  expect(stderr).toMatch(/^zlayer: warning: resources\.memory asks for 2199023255552 bytes, .*\n$/);
  const id = { service: 'huge', replica: 1 };
  await given.createContainer(id, { image: 'image', resources: { memory: '2Ti' } });
  const started = await zlayer(['start', '--json', 'huge-1']);
  expect(JSON.parse(started.stderr)).toMatchObject({ warning: { kind: 'reduced', given: 1024 ** 4 } });
});

it('events are told in Docker’s words, from a moment to a moment, filtered, and whole as JSON', async () => {
  // Not of the same moment as what the test before this one has left.
  await new Promise((resolve) => setTimeout(resolve, 5));
  const since = `${Date.now() / 1000}`;
  await web();
  await given.startContainer({ service: 'web', replica: 0 });
  for (const call of ['pause', 'unpause', 'kill']) await zlayer([call, 'web']);
  await zlayer(['wait', 'web']);
  await zlayer(['rename', 'web', 'site']);
  await zlayer(['rm', 'site']);
  const told = async (...args: string[]): Promise<string> => {
    return (await zlayer(['events', '--since', since, '--until', `${Date.now() / 1000 + 0.1}`, ...args])).stdout;
  };
  const lines = (await told()).trimEnd().split('\n');
  expect(lines.map((line) => /^\S+Z container (\w+) \S+ \((.*)\)$/.exec(line)?.slice(1))).toEqual([
    ['create', 'name=web-0'],
    ['start', 'name=web-0'],
    ['pause', 'name=web-0'],
    ['unpause', 'name=web-0'],
    ['die', 'exitCode=137, name=web-0'],
    ['rename', 'oldName=web-0, name=site-0'],
    ['destroy', 'name=site-0'],
  ]);
  expect(await told('-f', 'container=web', '-f', 'event=die', '-f', 'event=start')).toMatch(
    /^.* start .*\n.* die .*\n$/,
  );
  const documents = (await told('--json'))
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(documents).toContainEqual(expect.objectContaining({ type: 'exited', action: 'die', name: 'web-0' }));
  expect(documents).toContainEqual(expect.objectContaining({ type: 'state', state: { status: 'initializing' } }));
  expect(await zlayer(['events', '--filter', 'colour=red'])).toMatchObject({ code: 1, stdout: '' });
  expect(await zlayer(['events', '--since', 'yesterday'])).toMatchObject({ code: 1, stdout: '' });
});

it('errors are JSON where JSON is asked for', async () => {
  const { code, stderr } = await zlayer(['inspect', '--json', 'nobody']);
  expect(code).toBe(1);
  expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'NOT_FOUND', subject: 'nobody' } });
});

it('images are pulled, named, listed and forgotten', async () => {
  expect((await zlayer(['pull', '-q', 'image'])).code).toBe(0);
  await zlayer(['tag', 'image', 'other']);
  expect((await zlayer(['images'])).stdout).toMatch(/^other +latest/m);
  expect((await zlayer(['rmi', 'other'])).stdout).toBe('Untagged: other\n');
});

it('prune asks nobody without a terminal, and does nothing then', async () => {
  await web();
  expect(await zlayer(['prune'])).toMatchObject({ code: 1 });
  expect(JSON.parse((await zlayer(['prune', '-f', '--json'])).stdout)).toMatchObject({ containers: ['web-0'] });
});

it('completes commands, options and choices', async () => {
  const zlayerProgram = program({
    stdin: new PassThrough(),
    stdout: new PassThrough(),
    stderr: new PassThrough(),
    env: {},
    local: async () => given,
    supervised: async () => given,
  });
  expect(await complete(zlayerProgram, ['un'])).toEqual(['unpause']);
  expect(await complete(zlayerProgram, ['run', '--health-re'])).toEqual(['--health-retries']);
  expect(await complete(zlayerProgram, ['pull', '--policy', 'ne'])).toEqual(['never', 'newer']);
  expect(await complete(zlayerProgram, ['completion', ''])).toEqual(['bash', 'fish', 'zsh']);
});

it.each([
  ['web:/a', { container: 'web', path: '/a' }],
  ['./web:/a', { path: './web:/a' }],
  ['/a:b', { path: '/a:b' }],
])('%s is a place', (text, place) => {
  expect(placeOf(text)).toEqual(place);
});

it('renames the entries of an archive, and nothing that only looks like them', () => {
  expect(['a', './a/b', 'a/', 'ab'].map((path) => renamed(path, 'a', 'new'))).toEqual(['new', 'new/b', 'new/', 'ab']);
});

it('takes references and times apart', () => {
  expect(splitReference('host:5000/name')).toEqual({ repository: 'host:5000/name', tag: 'latest' });
  expect(timeOf('10m', 600_000)).toEqual(new Date(0));
  expect(timeOf('2026-01-01T00:00:00Z')).toEqual(new Date('2026-01-01'));
  expect(() => timeOf('2026-99-01')).toThrow();
});
