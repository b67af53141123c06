import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

export interface RegistryServerOptions {
  /** The `auth` section of the registry's configuration. Default: none, everything is open. */
  auth?: Readonly<Record<string, Readonly<Record<string, string>>>> | undefined;
}

/** A running `docker-registry` on a free loopback port, with a storage of its own that vanishes with it. */
export interface RegistryServer extends AsyncDisposable {
  /** `127.0.0.1:port`, as it stands in image references. */
  readonly host: string;
  close(): Promise<void>;
  /** Ends the server by SIGKILL; its port and what it stored stay for {@link restart}. */
  kill(): Promise<void>;
  restart(): Promise<void>;
}

/**
 * Runs the server, and ends it and removes its directory when descriptor 3 closes: that happens however this process
 * ends, even by SIGKILL. After a word on descriptor 3 the server ends, too, but its directory stays.
 */
const leashed =
  '(read -r word; kill -9 $$; [ -n "$word" ] || rm -rf "$1") <&3 & exec docker-registry serve "$1/config.yml" 3<&-';

/** Milliseconds. */
const startPatience = 15_000;

/**
 * Starts Debian's `docker-registry`, the reference implementation of the distribution API.
 * It ends with {@link RegistryServer.close}, or with this process, however that ends.
 */
export async function startRegistry({ auth }: RegistryServerOptions = {}): Promise<RegistryServer> {
  const directory = await mkdtemp(join(tmpdir(), 'zlayer-registry-'));
  let child: ChildProcess | undefined;
  const end = async () => {
    if (child !== undefined) await letGo(child);
    await rm(directory, { recursive: true, force: true });
  };
  let ending: Promise<void> | undefined;
  const close = () => {
    ending ??= end();
    return ending;
  };
  try {
    const host = `127.0.0.1:${await freePort()}`;
    const storage = join(directory, 'storage');
    await mkdir(storage);
    // YAML contains JSON, so no writer of YAML is needed.
    const content = {
      version: 0.1,
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: storage }, delete: { enabled: true } },
      http: { addr: host },
      ...(auth === undefined ? {} : { auth }),
    };
    await writeFile(join(directory, 'config.yml'), JSON.stringify(content));
    const start = async () => {
      child = spawn('sh', ['-c', leashed, 'sh', directory], { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] });
      await answering(child, host);
    };
    const kill = async () => {
      const killed = child;
      child = undefined;
      if (killed !== undefined) await letGo(killed, 'keep\n');
    };
    await start();
    return { host, close, kill, restart: start, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Waits until the server answers; it says nothing when it is ready. */
async function answering(child: ChildProcess, host: string): Promise<void> {
  let complaint = '';
  child.stderr?.on('data', (chunk) => {
    complaint = `${complaint}${chunk}`.slice(-4096);
  });
  let failure: Error | undefined;
  child.once('error', (error) => {
    failure = error;
  });
  child.once('exit', (code) => {
    const hint = code === 127 ? '; install the Debian package docker-registry' : '';
    failure ??= new Error(`docker-registry ended with ${code}${hint}: ${complaint}`);
  });
  for (const deadline = performance.now() + startPatience; performance.now() < deadline; await sleep(20)) {
    if (failure !== undefined) throw failure;
    const response = await fetch(`http://${host}/v2/`).catch(() => undefined);
    await response?.body?.cancel();
    if (response !== undefined) return;
  }
  throw new Error(`docker-registry did not answer within ${startPatience} ms: ${complaint}`);
}

async function letGo(child: ChildProcess, word = ''): Promise<void> {
  if (child.pid === undefined) return;
  // Comes when the helper, which shares the error output, is gone as well.
  const closed = once(child, 'close');
  const leash = child.stdio[3];
  if (leash instanceof Socket && word !== '') leash.end(word);
  else leash?.destroy();
  await closed;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port is free');
  return address.port;
}
