import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { ZlayerError } from '@zlayer/runtime-core';
import { checkTag } from '../check-policy.ts';
import { parseViolation } from './parse-violation.ts';
import type { Violation } from './violation.ts';

const MAX_LINE_LENGTH = 1024 * 1024;
const MAX_ERROR_LENGTH = 2048;

export interface WatchViolationsOptions {
  /** Ends the watch. */
  signal?: AbortSignal | undefined;
  /** Default: `/usr/bin/log`. */
  program?: string | undefined;
}

/**
 * Follows the system's log for what processes under profiles with this tag are denied. Ends when it is left (`break`)
 * or aborted; its `log stream` ends with it.
 *
 * @throws ZlayerError `INVALID_SPEC` for a tag that no policy can have, `UNAVAILABLE` where `log` does not run or ends by
 *   itself. An abort throws the signal's reason.
 */
export async function* watchViolations(
  tag: string,
  options: WatchViolationsOptions = {},
): AsyncGenerator<Violation, void, void> {
  const { signal, program = '/usr/bin/log' } = options;
  checkTag(tag);
  signal?.throwIfAborted();
  const predicate = `sender == "Sandbox" AND eventMessage ENDSWITH "${tag}"`;
  const child = spawn(program, ['stream', '--style', 'ndjson', '--predicate', predicate], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close').then(
    () => undefined,
    (error: unknown) => error,
  );
  const abort = () => child.kill('SIGKILL');
  signal?.addEventListener('abort', abort, { once: true });
  const complaint = beginningOf(child.stderr);
  try {
    for await (const line of lines(child.stdout)) {
      const violation = parseViolation(line, tag);
      if (violation !== undefined) yield violation;
      signal?.throwIfAborted();
    }
    const cause = await closed;
    signal?.throwIfAborted();
    throw unavailable(program, complaint(), cause);
  } finally {
    signal?.removeEventListener('abort', abort);
    child.kill('SIGKILL');
    await closed;
  }
}

/** Complete lines; one that is too long to be the log's is left out. */
async function* lines(stream: Readable): AsyncGenerator<string, void, void> {
  let rest = '';
  let skipping = false;
  stream.setEncoding('utf8');
  for await (const chunk of stream) {
    const parts = `${rest}${chunk}`.split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) {
      if (!skipping) yield line;
      skipping = false;
    }
    if (rest.length <= MAX_LINE_LENGTH) continue;
    rest = '';
    skipping = true;
  }
}

function beginningOf(stream: Readable): () => string {
  let text = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    text = `${text}${chunk}`.slice(0, MAX_ERROR_LENGTH);
  });
  return () => text.trim();
}

function unavailable(program: string, complaint: string, cause: unknown): ZlayerError {
  const why = complaint === '' ? 'it ended by itself' : complaint;
  return new ZlayerError('UNAVAILABLE', `${program} does not follow the log: ${why}`, {
    subject: program,
    remedy: 'Denials can be watched on macOS, by users who may read its log.',
    cause,
  });
}
