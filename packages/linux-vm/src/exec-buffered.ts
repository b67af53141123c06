import {
  type BufferedExecOptions,
  type ExecResult,
  type OutputChunk,
  OutputLimitError,
  signalNumber,
} from '@zlayer/runtime-core';
import type { AgentProcess } from '@zlayer/vzagent-proto';
import type { NotStarted } from './exec-error.ts';

const DEFAULT_MAX_OUTPUT = 64 * 1024 ** 2;
const SIGKILL = signalNumber('SIGKILL');

/**
 * Takes what a process writes, up to a limit, until it has ended. An abort, and what is too much, end it with SIGKILL.
 */
export async function runToEnd(
  process: AgentProcess,
  command: readonly string[],
  { input, maxOutputBytes: limit = DEFAULT_MAX_OUTPUT, signal }: BufferedExecOptions,
): Promise<ExecResult> {
  const pieces: Record<OutputChunk['stream'], Uint8Array[]> = { stdout: [], stderr: [] };
  const sizes = { stdout: 0, stderr: 0 };
  const kill = (): void => {
    process.signal(SIGKILL, 'group').catch(() => {});
    process.close();
  };
  const read = (): Record<OutputChunk['stream'], Buffer> => ({
    stdout: Buffer.concat(pieces.stdout),
    stderr: Buffer.concat(pieces.stderr),
  });
  signal?.addEventListener('abort', kill, { once: true });
  try {
    signal?.throwIfAborted();
    if (input !== undefined) process.stdin?.end(input);
    for await (const { stream, data } of process.output) {
      const kept = Buffer.from(data.subarray(0, limit - sizes[stream]));
      pieces[stream].push(kept);
      sizes[stream] += kept.length;
      if (kept.length < data.length) throw new OutputLimitError(command, { limit, ...read() });
    }
    const { code, signal: signum } = await process.exited;
    return withText({ exitCode: code, ...(signum === null ? {} : { signal: signum }), ...read() });
  } catch (error) {
    kill();
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', kill);
  }
}

/** The result of a program that could not be started. */
export function resultOf({ exitCode, message }: NotStarted): ExecResult {
  return withText({ exitCode, stdout: Buffer.alloc(0), stderr: Buffer.from(message) });
}

function withText(result: { exitCode: number; signal?: number; stdout: Buffer; stderr: Buffer }): ExecResult {
  return { ...result, stdoutText: result.stdout.toString(), stderrText: result.stderr.toString() };
}
