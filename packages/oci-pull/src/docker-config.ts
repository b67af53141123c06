import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { askCredentialHelper } from './credential-helper.ts';
import { accountOf, type Credentials } from './credentials.ts';
import { messageOf, OciError, systemErrorCode } from './errors.ts';
import { JsonDocument } from './json-document.ts';

export interface DockerConfigOptions {
  /** Directory with a `config.json`. Default: `DOCKER_CONFIG`, or else `.docker` in the home directory. */
  directory?: string | undefined;
  signal?: AbortSignal | undefined;
}

/** Bytes. */
const maximumSize = 1024 * 1024;
/** The name under which Docker keeps the account of Docker Hub. */
const dockerHubKey = 'https://index.docker.io/v1/';

/**
 * Looks up a registry's credentials as Docker does: the helper program for that host (`credHelpers`), the one for all
 * (`credsStore`), then what stands in the file itself (`auths`). Everything is read again at each call.
 *
 * @param registry As in references: `docker.io`, `ghcr.io`, `localhost:5000`.
 * @returns undefined if there is no file or it says nothing about the registry.
 * @throws {OciError} `CREDENTIALS_FAILED` if the file is malformed or a helper fails.
 */
export async function dockerCredentials(
  registry: string,
  { directory, signal }: DockerConfigOptions = {},
): Promise<Credentials | undefined> {
  const path = join(directory ?? (process.env['DOCKER_CONFIG'] || join(homedir(), '.docker')), 'config.json');
  const bytes = await readConfig(path, signal);
  if (bytes === undefined) return undefined;
  const config = JsonDocument.parse(bytes, `the file ${path}`, 'CREDENTIALS_FAILED');
  const helper = keyed(config.stringMap('credHelpers'), registry)?.[1] || config.optionalString('credsStore');
  if (helper) {
    const server = registry === 'docker.io' ? dockerHubKey : registry;
    const found = await askCredentialHelper(helper, server, { signal });
    if (found !== undefined) return found;
  }
  const auths = config.optionalDocument('auths');
  const key = keyed(Object.fromEntries(config.keys('auths').map((name) => [name, name])), registry)?.[0];
  return auths === undefined || key === undefined ? undefined : readEntry(auths.document(key), path, key);
}

function readEntry(entry: JsonDocument, path: string, key: string): Credentials | undefined {
  const registryToken = entry.optionalString('registrytoken');
  if (registryToken) return { registryToken };
  const identityToken = entry.optionalString('identitytoken');
  if (identityToken) return { identityToken };
  const encoded = entry.optionalString('auth');
  if (encoded) {
    // Some writers end it with NUL; they mean nothing by it.
    const text = Buffer.from(encoded, 'base64').toString('utf8').replace(/\0+$/, '');
    const colon = text.indexOf(':');
    if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(encoded) || colon < 1) {
      throw new OciError(
        'CREDENTIALS_FAILED',
        `In ${path}, auths[${JSON.stringify(key)}].auth is not a base64 account.`,
        {
          subject: path,
          remedy: `Log in to ${key} again.`,
        },
      );
    }
    return accountOf(text.slice(0, colon), text.slice(colon + 1));
  }
  const username = entry.optionalString('username');
  const password = entry.optionalString('password');
  return username && password !== undefined ? accountOf(username, password) : undefined;
}

/** The entry of a map whose key means a registry: as it is, or as a URL, as Docker used to write them. */
function keyed(map: Readonly<Record<string, string>>, registry: string): [string, string] | undefined {
  const entries = Object.entries(map);
  return entries.find(([key]) => key === registry) ?? entries.find(([key]) => registryOf(key) === registry);
}

function registryOf(key: string): string {
  const host = (key.replace(/^https?:\/\//, '').split('/', 1)[0] ?? '').toLowerCase();
  return host === 'index.docker.io' || host === 'registry-1.docker.io' ? 'docker.io' : host;
}

async function readConfig(path: string, signal: AbortSignal | undefined): Promise<Buffer | undefined> {
  try {
    const { size } = await stat(path);
    if (size > maximumSize) throw new RangeError(`it is longer than ${maximumSize} bytes`);
    return await readFile(path, { signal });
  } catch (cause) {
    signal?.throwIfAborted();
    if (['ENOENT', 'ENOTDIR'].includes(systemErrorCode(cause) ?? '')) return undefined;
    throw new OciError('CREDENTIALS_FAILED', `${path} cannot be read: ${messageOf(cause)}.`, {
      subject: path,
      remedy: 'Repair or remove the file, or give the credentials with the call.',
      cause,
    });
  }
}
