import { text } from 'node:stream/consumers';
import { expect } from 'vitest';
import type { ExecProcess } from '../../exec.ts';
import { isOutputLimitError } from '../../output-limit-error.ts';
import { shellCommand } from '../bench.ts';
import { expectError, expectReason } from '../expect-error.ts';
import { settle } from '../settle.ts';
import type { Suite } from '../suite.ts';

/** Further processes in a running container. Starts one container, or two. */
export function exec(suite: Suite): void {
  const declared = 'exec.buffered';

  suite.area('exec', () => {
    const host = suite.shared(async (bench) => {
      const { container, output } = await bench.start({
        image: bench.lab.images.configured,
        command: { entrypoint: shellCommand('untilTerm'), workdir: '/srv' },
        env: { CONFORMANCE_BOTH: 'of the spec' },
        user: '4321:8765',
      });
      await output.shows('ready');
      return { container, runtime: bench.runtime };
    });

    suite.testWith(declared, 'exec gives the exit code and both streams, apart', async () => {
      const { runtime, container } = await host();
      const result = await runtime.exec(container, shellCommand('fail5'));
      expect(result).toMatchObject({ exitCode: 5, stdoutText: 'out\n', stderrText: 'err\n' });
      expect(result.signal).toBeUndefined();
      expect(Buffer.from(result.stdout).toString()).toBe('out\n');
      expect(Buffer.from(result.stderr).toString()).toBe('err\n');
    });

    suite.testWith(declared, 'exec tells a signal death: 128 + N and the signal', async () => {
      const { runtime, container } = await host();
      expect(await runtime.exec(container, shellCommand('killItself'))).toMatchObject({ exitCode: 137, signal: 9 });
      const own = await runtime.exec(container, shellCommand('exit137'));
      expect(own).toMatchObject({ exitCode: 137 });
      expect(own.signal).toBeUndefined();
    });

    suite.testWith(declared, 'exec gives its input to the process, and its output back, byte for byte', async () => {
      const { runtime, container } = await host();
      const input = Buffer.concat([Buffer.from([0x00, 0xff, 0x61]), Buffer.alloc(1024 ** 2, 'z')]);
      const { exitCode, stdout, stdoutText } = await runtime.exec(container, shellCommand('cat'), { input });
      expect(exitCode).toBe(0);
      expect(Buffer.from(stdout).equals(input)).toBe(true);
      expect(stdoutText.slice(0, 3)).toBe('\0\ufffda');
    });

    suite.testWith(declared, 'a command without input reads its end', async () => {
      const { runtime, container } = await host();
      expect(await runtime.exec(container, shellCommand('cat'))).toMatchObject({ exitCode: 0, stdoutText: '' });
    });

    suite.testWith(declared, "exec inherits the container's environment, directory and user", async () => {
      const { runtime, container } = await host();
      const { stdoutText } = await runtime.exec(container, shellCommand('surroundings', ['a b', '$HOME']));
      expect(stdoutText.split('\n')).toEqual([
        'cwd /srv',
        'uid 4321',
        'gid 8765',
        'image of the image',
        'both of the spec',
        'spec ',
        'args a b $HOME',
        '',
      ]);
    });

    suite.testWith(declared, "exec's own environment, directory and user go over the container's", async () => {
      const { runtime, container } = await host();
      const { stdoutText } = await runtime.exec(container, shellCommand('surroundings'), {
        env: { CONFORMANCE_SPEC: 'of exec' },
        cwd: '/',
        user: '0:0',
      });
      expect(stdoutText).toMatch(/^cwd \/\nuid 0\ngid 0\nimage of the image\nboth of the spec\nspec of exec\n/);
    });

    suite.testWith(declared, 'an empty command is INVALID_SPEC', async () => {
      const { runtime, container } = await host();
      await expectError(runtime.exec(container, []), 'INVALID_SPEC');
    });

    suite.testWith(declared, 'a program that is not there ends with 127, one that cannot be run with 126', async () => {
      const { runtime, container } = await host();
      const missing = await runtime.exec(container, ['/no/such/program', 'argument']);
      expect(missing).toMatchObject({ exitCode: 127, stdoutText: '' });
      expect(missing.signal).toBeUndefined();
      expect(missing.stderrText).toContain('/no/such/program');
      const data = await runtime.exec(container, ['/etc/passwd']);
      expect(data).toMatchObject({ exitCode: 126, stdoutText: '' });
      expect(data.stderrText).toContain('/etc/passwd');
    });

    suite.testWith('exec.streaming', 'a streaming exec of a program that is not there ends with 127', async () => {
      const { runtime, container } = await host();
      await using process = await runtime.execStream(container, ['/no/such/program']);
      process.stdout.resume();
      expect(await text(process.stderr)).toContain('/no/such/program');
      expect(await process.exit).toEqual({ reason: 'exited', exitCode: 127 });
    });

    suite.testWith(
      [declared, 'users.names'],
      'an exec as a user that is not there is NOT_FOUND, never root',
      async () => {
        const { runtime, container } = await host();
        const error = await expectError(
          runtime.exec(container, shellCommand('exit0'), { user: 'nobodyknows' }),
          'NOT_FOUND',
        );
        expect(error.message).toContain('nobodyknows');
      },
    );

    suite.testWith(declared, 'more output than is allowed is an error that carries what was read', async () => {
      const { runtime, container } = await host();
      const options = { input: 'ten bytes.', maxOutputBytes: 4 };
      const error = await expectError(runtime.exec(container, shellCommand('cat'), options), 'CONFLICT');
      if (!isOutputLimitError(error)) throw new Error(`it is no OutputLimitError: ${error}`);
      expect(error.limit).toBe(4);
      expect(Buffer.from(error.stdout).toString()).toBe('ten ');
      expect(Buffer.from(error.stderr).toString()).toBe('');
      expect(await runtime.containerState(container)).toEqual({ status: 'running' });
    });

    suite.testWith(declared, 'output of exactly the limit is no error', async () => {
      const { runtime, container } = await host();
      const options = { input: 'four', maxOutputBytes: 4 };
      expect(await runtime.exec(container, shellCommand('cat'), options)).toMatchObject({ stdoutText: 'four' });
    });

    suite.testWith(
      declared,
      'an aborted exec ends with the reason of its signal, and the container goes on',
      async () => {
        const { runtime, container } = await host();
        const reason = new Error('enough');
        const controller = new AbortController();
        const running = runtime.exec(container, shellCommand('untilTerm'), { signal: controller.signal });
        setTimeout(() => controller.abort(reason), 50);
        await expectReason(running, reason);
        expect(await runtime.containerState(container)).toEqual({ status: 'running' });
      },
    );

    suite.testWith(declared, 'several execs at once do not mix their output', async () => {
      const { runtime, container } = await host();
      const inputs = ['one', 'two', 'three', 'four', 'five'];
      const results = await Promise.all(inputs.map((input) => runtime.exec(container, shellCommand('cat'), { input })));
      expect(results.map(({ stdoutText }) => stdoutText)).toEqual(inputs);
    });

    suite.testWith(declared, 'exec in a container that does not run is a CONFLICT', async (bench) => {
      const container = await bench.create(bench.shell('exit0'));
      await expectError(bench.runtime.exec(container, shellCommand('exit0')), 'CONFLICT');
    });

    suite.testWith('exec.streaming', 'a streaming exec answers while its input is still open', async () => {
      const { runtime, container } = await host();
      await using process = await runtime.execStream(container, shellCommand('cat'));
      process.stderr.resume();
      process.stdin.write('question\n');
      expect(await firstData(process)).toBe('question\n');
      const rest = text(process.stdout);
      process.stdin.end('and more\n');
      expect(await rest).toBe('and more\n');
      expect(await process.exit).toEqual({ reason: 'exited', exitCode: 0 });
    });

    suite.testWith('exec.streaming', 'a streaming exec has both streams and the exit code', async () => {
      const { runtime, container } = await host();
      await using process = await runtime.execStream(container, shellCommand('fail5'));
      expect(await Promise.all([text(process.stdout), text(process.stderr), process.exit])).toEqual([
        'out\n',
        'err\n',
        { reason: 'exited', exitCode: 5 },
      ]);
    });

    suite.testWith(
      'exec.streaming',
      'a streaming exec can be sent a signal, which its process can handle',
      async () => {
        const { runtime, container } = await host();
        await using process = await runtime.execStream(container, shellCommand('untilTerm'));
        process.stderr.resume();
        expect(await firstData(process)).toBe('ready\n');
        process.stdout.resume();
        await process.kill('TERM');
        expect(await process.exit).toEqual({ reason: 'exited', exitCode: 7 });
      },
    );

    suite.testWith('exec.streaming', 'kill sends SIGTERM when it is not told what', async () => {
      const { runtime, container } = await host();
      await using process = await runtime.execStream(container, shellCommand('untilTerm'));
      process.stderr.resume();
      await firstData(process);
      process.stdout.resume();
      await process.kill();
      expect(await process.exit).toEqual({ reason: 'exited', exitCode: 7 });
      await process.kill('KILL');
    });

    suite.testWith(
      'exec.streaming',
      'an aborted streaming exec is ended, and its streams and its exit tell the reason',
      async () => {
        const { runtime, container } = await host();
        const reason = new Error('enough');
        const controller = new AbortController();
        const process = await runtime.execStream(container, shellCommand('ignoreTerm'), { signal: controller.signal });
        process.stderr.resume();
        await firstData(process);
        const rest = settle(text(process.stdout));
        controller.abort(reason);
        await expectReason(process.exit, reason);
        expect((await rest).error).toBe(reason);
        expect(await runtime.containerState(container)).toEqual({ status: 'running' });
        const late = runtime.execStream(container, shellCommand('exit0'), { signal: AbortSignal.abort(reason) });
        await expectReason(late, reason);
      },
    );

    suite.testWith('exec.streaming', 'disposing of a streaming exec ends its process', async () => {
      const { runtime, container } = await host();
      const process = await runtime.execStream(container, shellCommand('ignoreTerm'));
      process.stderr.resume();
      expect(await firstData(process)).toBe('ready\n');
      await process[Symbol.asyncDispose]();
      expect(await process.exit).toEqual({ reason: 'signal', exitCode: 137, signal: 9 });
    });

    suite.testWith('exec.streaming', 'a streaming exec says whether there is such a program', async () => {
      const { runtime, container } = await host();
      for (const [command, hasStarted] of [
        [shellCommand('exit41'), true],
        [['/no/such/program'], false],
        [['/etc/passwd'], false],
      ] as const) {
        await using process = await runtime.execStream(container, command);
        expect(process.hasStarted).toBe(hasStarted);
      }
    });

    suite.testWith(
      ['exec.detach', 'exec.buffered'],
      'a detached exec goes on by itself: its input ends, nobody has to read its output, and nothing here ends it',
      async () => {
        const { runtime, container } = await host();
        const file = '/tmp/left-by-a-detached-exec';
        const abort = new AbortController();
        const command = shellCommand('floodThenTouch', [file]);
        {
          await using process = await runtime.execStream(container, command, { user: '0:0', signal: abort.signal });
          process.stderr.resume();
          expect(await firstData(process)).toBe('ready\n');
          await process.detach();
          await expectError(process.exit, 'CONFLICT');
          expect(await text(process.stdout)).toBe('');
          await process.detach();
        }
        abort.abort(new Error('too late'));
        const left = async (): Promise<number> =>
          (await runtime.exec(container, shellCommand('isThere', [file]))).exitCode;
        await expect.poll(left, { timeout: 10_000 }).toBe(0);
      },
    );

    suite.testWith(
      ({ exec: { streaming, detach } }) => streaming && !detach,
      'detaching from an exec is UNSUPPORTED, and leaves it as it is',
      async () => {
        const { runtime, container } = await host();
        await using process = await runtime.execStream(container, shellCommand('fail5'));
        await expectError(process.detach(), 'UNSUPPORTED');
        expect(await Promise.all([text(process.stdout), text(process.stderr)])).toEqual(['out\n', 'err\n']);
        expect(await process.exit).toEqual({ reason: 'exited', exitCode: 5 });
      },
    );

    suite.testWith('exec.detach', 'an exec that has ended before it is detached keeps its exit', async () => {
      const { runtime, container } = await host();
      await using process = await runtime.execStream(container, shellCommand('fail5'));
      const output = Promise.all([text(process.stdout), text(process.stderr)]);
      expect(await process.exit).toEqual({ reason: 'exited', exitCode: 5 });
      await process.detach();
      expect(await output).toEqual(['out\n', 'err\n']);
      expect(await process.exit).toEqual({ reason: 'exited', exitCode: 5 });
    });

    suite.testWith('exec.streaming', 'resizing without a terminal is UNSUPPORTED', async () => {
      const { runtime, container } = await host();
      await using process = await runtime.execStream(container, shellCommand('cat'));
      await expectError(process.resize({ columns: 1, rows: 1 }), 'UNSUPPORTED');
    });

    suite.testWith('exec.streaming', 'a streaming exec of an empty command is INVALID_SPEC', async () => {
      const { runtime, container } = await host();
      await expectError(runtime.execStream(container, []), 'INVALID_SPEC');
    });

    suite.testWith(
      ['exec.streaming', 'exec.tty'],
      'an exec with a terminal has its size, and gets to know a new one',
      async () => {
        const { runtime, container } = await host();
        const tty = { columns: 101, rows: 33 };
        await using process = await runtime.execStream(container, shellCommand('terminal'), { tty });
        process.stderr.resume();
        expect(await firstLine(process)).toMatch(/^33 101\r?\n/);
        const rest = text(process.stdout);
        await process.resize({ columns: 77, rows: 11 });
        process.stdin.write('\n');
        expect(await rest).toMatch(/11 77\r?\n$/);
        expect(await process.exit).toEqual({ reason: 'exited', exitCode: 0 });
      },
    );
  });
}

/** The first thing that the process writes. What follows can still be read. */
async function firstData({ stdout }: ExecProcess): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  stdout.once('data', (data: Uint8Array) => {
    stdout.pause();
    resolve(Buffer.from(data).toString());
  });
  stdout.once('end', () => reject(new Error('the output ended before anything came')));
  // One that was paused before does not begin to flow because somebody listens.
  stdout.resume();
  return promise;
}

/** What the process writes first, up to the end of a line: a terminal may bring it in pieces. */
async function firstLine(process: ExecProcess): Promise<string> {
  let line = '';
  while (!line.includes('\n')) line += await firstData(process);
  return line;
}
