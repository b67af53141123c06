import {
  type BufferedExecOptions,
  type ExecProcess,
  type ExecResult,
  OutputLimitError,
  ZlayerError,
} from '@zlayer/runtime-core';

const DEFAULT_MAX_OUTPUT = 64 * 1024 ** 2;
const SIGKILL = 9;

/** Takes what a process writes, up to a limit, until it has ended. */
export async function runToEnd(
  process: ExecProcess,
  command: readonly string[],
  { input, maxOutputBytes: limit = DEFAULT_MAX_OUTPUT }: BufferedExecOptions,
): Promise<ExecResult> {
  const pieces: Record<'stdout' | 'stderr', Uint8Array[]> = { stdout: [], stderr: [] };
  let exceeded = false;
  const collect = async (stream: 'stdout' | 'stderr'): Promise<void> => {
    let room = limit;
    for await (const chunk of process[stream]) {
      const data = chunk as Uint8Array;
      if (!exceeded) pieces[stream].push(data.subarray(0, room));
      room -= data.byteLength;
      if (room >= 0 || exceeded) continue;
      exceeded = true;
      await process.kill('SIGKILL');
    }
  };
  process.stdin.end(input ?? '');
  const [exit] = await Promise.all([process.exit, collect('stdout'), collect('stderr')]);
  const [stdout, stderr] = [Buffer.concat(pieces.stdout), Buffer.concat(pieces.stderr)];
  if (exceeded) throw new OutputLimitError(command, { limit, stdout, stderr });
  if (exit.exitCode === undefined) throw new ZlayerError('INTERNAL', exit.message);
  const texts = { stdoutText: stdout.toString(), stderrText: stderr.toString() };
  const result = { exitCode: exit.exitCode, stdout, stderr, ...texts };
  if (exit.reason === 'signal') return { ...result, signal: exit.signal };
  return exit.reason === 'oom-killed' ? { ...result, signal: SIGKILL } : result;
}
