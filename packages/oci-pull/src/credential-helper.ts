import { spawn } from 'node:child_process';
import { accountOf, type Credentials } from './credentials.ts';
import { messageOf, OciError, systemErrorCode } from './errors.ts';
import { JsonDocument } from './json-document.ts';

export interface CredentialHelperOptions {
  signal?: AbortSignal | undefined;
  /** Milliseconds. Default: 60 seconds, in which a person can unlock a key ring. */
  timeout?: number | undefined;
}

/** Bytes; the longest tokens in use have some kilobytes. */
const maximumOutput = 256 * 1024;
const notFound = /credentials not found/i;

/**
 * Asks `docker-credential-NAME get` for the credentials of a server.
 *
 * @returns undefined if the helper has none.
 * @throws {OciError} `CREDENTIALS_FAILED` if it cannot be run, fails, or says something that is no answer.
 */
export async function askCredentialHelper(
  name: string,
  server: string,
  { signal, timeout = 60_000 }: CredentialHelperOptions = {},
): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  // A name from a configuration file must not lead to a program outside PATH.
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) {
    throw failed(program, server, 'its name is not that of a program', undefined);
  }
  const { code, output, complaint } = await run(program, server, timeout, signal);
  const said = (complaint.trim() || output.toString('utf8').trim()).slice(0, 1000);
  if (code !== 0) {
    if (notFound.test(output.toString('utf8')) || notFound.test(complaint)) return undefined;
    throw failed(program, server, `it ended with ${code}${said === '' ? '' : `: ${said}`}`, undefined);
  }
  try {
    const answer = JsonDocument.parse(output, 'its answer', 'CREDENTIALS_FAILED');
    const username = answer.optionalString('Username') ?? '';
    const secret = answer.optionalString('Secret') ?? '';
    return username === '' && secret === '' ? undefined : accountOf(username, secret);
  } catch (error) {
    throw failed(program, server, messageOf(error).replace(/\.$/, ''), undefined);
  }
}

interface Answer {
  readonly code: number | string;
  readonly output: Buffer;
  readonly complaint: string;
}

async function run(program: string, server: string, timeout: number, signal?: AbortSignal): Promise<Answer> {
  signal?.throwIfAborted();
  const child = spawn(program, ['get'], { stdio: ['pipe', 'pipe', 'pipe'], windowsHide: true });
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const chunks: Buffer[] = [];
  let complaint = '';
  let size = 0;
  /** Ends the wait at once: a child of the helper may hold its pipes for ever. */
  const giveUp = (error: unknown) => {
    child.kill('SIGKILL');
    for (const stream of child.stdio) stream?.destroy();
    reject(error);
  };
  child.stdout.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > maximumOutput) giveUp(failed(program, server, `it said more than ${maximumOutput} bytes`, undefined));
    else chunks.push(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    if (complaint.length < 4096) complaint += chunk.toString('utf8');
  });
  child.once('error', (cause) => {
    const missing = systemErrorCode(cause) === 'ENOENT';
    giveUp(failed(program, server, missing ? 'it is not in PATH' : messageOf(cause), cause));
  });
  child.once('close', (code, by) =>
    resolve({ code: code ?? by ?? 'unknown', output: Buffer.concat(chunks), complaint }),
  );
  // A helper that does not read its input closes it; what it answers is what counts.
  child.stdin.on('error', () => undefined);
  child.stdin.end(server);
  const timer = setTimeout(
    () => giveUp(failed(program, server, `it took longer than ${timeout} ms`, undefined)),
    timeout,
  );
  const onAbort = () => giveUp(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

function failed(program: string, server: string, why: string, cause: unknown): OciError {
  return new OciError('CREDENTIALS_FAILED', `${program} gives no credentials for ${server}: ${why}.`, {
    subject: server,
    remedy: `Install or repair ${program}, or take it out of Docker's config.json (credHelpers, credsStore).`,
    cause,
  });
}
