import { execFile, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  cp,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { type PushArtifactInput, pushArtifact } from '@zlayer/oci-pull';
import { type RegistryServer, startRegistry, type TarInput, writeTar } from '@zlayer/oci-pull/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type BuildBundleOptions,
  buildBundle,
  createVolume,
  type Guest,
  pushBundle,
  type ResolveGuestOptions,
  resolveGuest,
} from '../src/index.ts';
import { makeContainerRoot } from './testing/container-root.ts';
import { diskArguments, makeErofs } from './testing/disk.ts';
import { Machine } from './testing/machine.ts';
import { mount, startShell } from './testing/start-spec.ts';

const run = promisify(execFile);
const architecture = 'amd64';
const packedType = 'application/vnd.oci.image.layer.v1.tar+gzip';
const bundleType = 'application/vnd.zlayer.vz-linux.bundle.v1';

let folder: string;
let bundle: string;
/** A bundle of some bytes that no machine boots, for what is about moving it alone. */
let small: string;
let registry: RegistryServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'vzagent-bundle-'));
  registry = await startRegistry();
  bundle = join(folder, 'bundle');
  small = join(folder, 'small');
  await build({ folder: bundle });
  await writeSmallBundle(small, 'a kernel');
});

afterAll(async () => {
  await registry?.close();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

const build = (options: Pick<BuildBundleOptions, 'folder'>) => buildBundle({ architecture, ...options });

/** The bundle with another, short kernel, and a manifest that fits. */
async function writeSmallBundle(path: string, kernel: string): Promise<void> {
  await cp(bundle, path, { recursive: true });
  await writeFile(join(path, 'Image'), kernel);
  const manifest = JSON.parse(await readFile(join(path, 'manifest.json'), 'utf8'));
  manifest.files.kernel = { size: kernel.length, sha256: createHash('sha256').update(kernel).digest('hex') };
  await writeFile(join(path, 'manifest.json'), JSON.stringify(manifest));
}

/** Resolves from a registry, with a cache of its own, asking each time. */
async function resolveFrom(reference: string, options: Partial<ResolveGuestOptions> = {}): Promise<Guest> {
  const cacheDir = options.cacheDir ?? (await mkdtemp(join(folder, 'cache-')));
  const env = { ZLAYER_VZ_LINUX_BUNDLE: reference };
  return resolveGuest({ architecture, cacheDir, env, bundleFreshFor: 0, ...options });
}

/** Every file below a folder that a failure must not leave. */
async function leftovers(cacheDir: string): Promise<string[]> {
  const names = await readdir(cacheDir, { recursive: true });
  return names.filter((name) => /partial-|\.partial$|Image$/.test(name));
}

describe('building a bundle', () => {
  it('gives the same bytes in another folder at another time', async () => {
    const again = join(folder, 'again');
    const { manifest } = await build({ folder: again });
    for (const name of await readdir(bundle)) {
      const [one, other] = [await readFile(join(bundle, name)), await readFile(join(again, name))];
      expect(one.equals(other), name).toBe(true);
    }
    expect(manifest).toMatchObject({
      architecture,
      modules: expect.arrayContaining(['virtiofs.ko', 'vsock.ko', 'wireguard.ko']),
      inputs: { kernel: { package: `linux-image-${manifest.kernelVersion}`, version: expect.stringMatching(/^\d/) } },
    });
    const refused = build({ folder: again });
    await expect(refused).rejects.toMatchObject({ code: 'ALREADY_EXISTS', subject: again });
  });

  it('is one command for both architectures', async () => {
    const output = join(folder, 'command');
    const command = join(import.meta.dirname, '../src/bundle/main.ts');
    const { stdout } = await run(process.execPath, [command, '--output', output]);
    expect(stdout.trim().split('\n')).toHaveLength(2);
    const image = await readFile(join(output, 'arm64/Image'));
    expect(image.toString('latin1', 56, 60)).toBe('ARMd');
    expect((await readFile(join(output, 'amd64/Image'))).equals(await readFile(join(bundle, 'Image')))).toBe(true);
    expect((await stat(join(output, 'arm64/initramfs.cpio'))).size).toBeLessThan(3_000_000);
    const guest = await resolveGuest({ architecture: 'arm64', guest: { folder: join(output, 'arm64') } });
    expect(guest).toMatchObject({ source: 'option', kernelVersion: expect.stringMatching(/-arm64$/) });
    const other = resolveGuest({ architecture: 'amd64', guest: { folder: join(output, 'arm64') } });
    await expect(other).rejects.toMatchObject({ code: 'INVALID_SPEC' });
  });
});

describe('a bundle in a registry', () => {
  it('comes back as it was pushed, under the architecture’s tag', async () => {
    const lines: string[] = [];
    const pushed = await pushBundle(bundle, `${registry.host}/vz-linux`);
    expect(pushed.reference).toBe(`${registry.host}/vz-linux:amd64`);
    expect((await pushBundle(bundle, `${registry.host}/vz-linux:again`)).digest).toBe(pushed.digest);
    const cacheDir = join(folder, 'round-trip');
    const onProgress = (line: string) => lines.push(line);
    const guest = await resolveFrom(`${registry.host}/vz-linux`, { cacheDir, onProgress });
    expect(lines).toEqual([`fetching the bundle ${pushed.reference}`]);
    expect(guest).toMatchObject({ architecture, source: 'registry', agentVersion: '0.0.0', warnings: [] });
    expect(guest.kernelVersion).toMatch(/-cloud-amd64$/);
    for (const [path, name] of [
      [guest.kernel, 'Image'],
      [guest.initramfs, 'initramfs.cpio'],
      [guest.volumeTemplate ?? '', 'volume-template.gz'],
    ] as const) {
      expect((await readFile(path)).equals(await readFile(join(bundle, name))), name).toBe(true);
    }
    expect(await resolveFrom(`${registry.host}/vz-linux`, { cacheDir, onProgress })).toEqual(guest);
    expect(lines).toHaveLength(1);
  });

  it('is an image whose layers are a folder vz-linux, for every other tool', async () => {
    await pushBundle(small, `${registry.host}/layout:1`);
    const layout = join(folder, 'layout');
    await run('skopeo', ['copy', '--src-tls-verify=false', `docker://${registry.host}/layout:1`, `oci:${layout}:1`]);
    await run('umoci', ['unpack', '--rootless', '--image', `${layout}:1`, join(folder, 'unpacked')]);
    const unpacked = join(folder, 'unpacked/rootfs/vz-linux');
    expect((await readdir(unpacked)).sort()).toEqual([
      'Image',
      'initramfs.cpio.gz',
      'manifest.json',
      'volume-template.gz',
    ]);
    const { stdout } = await run('gzip', ['-dc', join(unpacked, 'initramfs.cpio.gz')], {
      encoding: 'buffer',
      maxBuffer: 2 ** 26,
    });
    expect(stdout.equals(await readFile(join(small, 'initramfs.cpio')))).toBe(true);
  });

  it('is fetched again when its name means another, and only then', async () => {
    const reference = `${registry.host}/moving:1`;
    const cacheDir = join(folder, 'moving');
    await pushBundle(small, reference);
    const first = await resolveFrom(reference, { cacheDir });
    const other = join(folder, 'other');
    await writeSmallBundle(other, 'another kernel');
    await pushBundle(other, reference);
    expect(await resolveFrom(reference, { cacheDir, bundleFreshFor: 60_000 })).toEqual(first);
    const second = await resolveFrom(reference, { cacheDir });
    expect(await readFile(second.kernel, 'utf8')).toBe('another kernel');
    // A machine that boots meanwhile keeps what it was told.
    expect(await readFile(first.kernel, 'utf8')).toBe('a kernel');
  });

  it('gives its room back when newer ones came and nobody used it for a day', async () => {
    const reference = `${registry.host}/releases:1`;
    const cacheDir = join(folder, 'releases');
    const guests: Guest[] = [];
    for (let release = 0; release < 5; release++) {
      const made = join(folder, `release-${release}`);
      await writeSmallBundle(made, `kernel ${release}`);
      await pushBundle(made, reference);
      // Days go by before the last release: nobody uses the first three any more.
      for (const [index, { kernel }] of release < 4 ? [] : guests.slice(0, 3).entries()) {
        const used = new Date(Date.now() - (10 - index) * 86_400_000);
        await utimes(dirname(kernel), used, used);
      }
      guests.push(await resolveFrom(reference, { cacheDir }));
    }
    const kernels = await Promise.all(guests.map(({ kernel }) => readFile(kernel, 'utf8').catch(() => 'gone')));
    expect(kernels).toEqual(['gone', 'gone', 'kernel 2', 'kernel 3', 'kernel 4']);
    // What was fetched for them is gone, too: the layers they have in common are there once, and one kernel's.
    expect((await readdir(join(cacheDir, 'bundles/store/blobs/sha256'))).length).toBeLessThan(8);
    expect(guests.flatMap(({ warnings }) => warnings)).toEqual([]);
  });

  it('is mended when a file of it is missing or cut off', async () => {
    const reference = `${registry.host}/mended:1`;
    const cacheDir = join(folder, 'mended');
    await pushBundle(small, reference);
    const { kernel, initramfs } = await resolveFrom(reference, { cacheDir });
    await rm(kernel);
    await truncate(initramfs, 10);
    const again = await resolveFrom(reference, { cacheDir, bundleFreshFor: 60_000 });
    expect(await readFile(again.kernel, 'utf8')).toBe('a kernel');
    expect((await stat(again.initramfs)).size).toBeGreaterThan(1_000_000);
  });

  it('is mended when what was fetched was damaged on the disk', async () => {
    const reference = `${registry.host}/damaged-cache:1`;
    const cacheDir = join(folder, 'damaged-cache');
    await pushBundle(small, reference);
    const { kernel } = await resolveFrom(reference, { cacheDir });
    const blobs = join(cacheDir, 'bundles/store/blobs/sha256');
    for (const name of await readdir(blobs)) {
      const bytes = await readFile(join(blobs, name));
      if (bytes.readUInt16BE(0) === 0x1f8b) await writeFile(join(blobs, name), bytes.fill(0, bytes.length >> 1));
    }
    await rm(kernel);
    expect(await readFile((await resolveFrom(reference, { cacheDir })).kernel, 'utf8')).toBe('a kernel');
  });

  it('is installed once by four processes at the same time', async () => {
    const reference = `${registry.host}/many:1`;
    const cacheDir = join(folder, 'many');
    await pushBundle(small, reference);
    const index = JSON.stringify(join(import.meta.dirname, '../src/index.ts'));
    const options = JSON.stringify({ architecture, cacheDir, env: {}, bundle: reference });
    const script = `import { resolveGuest } from ${index}; console.log((await resolveGuest(${options})).kernel);`;
    const outputs = await Promise.all(
      Array.from({ length: 4 }, async () => {
        const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        const ended = once(child, 'close');
        const output = await text(child.stdout);
        expect(await ended).toEqual([0, null]);
        return output.trim();
      }),
    );
    expect(new Set(outputs).size).toBe(1);
    expect(await readFile(outputs[0] ?? '', 'utf8')).toBe('a kernel');
    expect((await leftovers(cacheDir)).length).toBe(1);
  });

  it('that is named by its digest is not asked for again', async () => {
    const cacheDir = join(folder, 'pinned');
    const { digest } = await pushBundle(small, `${registry.host}/pinned:1`);
    const reference = `${registry.host}/pinned@${digest}`;
    const first = await resolveFrom(reference, { cacheDir });
    await registry.kill();
    try {
      expect(await resolveFrom(reference, { cacheDir })).toEqual(first);
    } finally {
      await registry.restart();
    }
  });

  it('is used from the cache, with a warning that tells its age, when the registry does not answer', async () => {
    const reference = `${registry.host}/offline:1`;
    const cacheDir = join(folder, 'offline');
    await pushBundle(small, reference);
    const online = await resolveFrom(reference, { cacheDir });
    const references = join(cacheDir, 'bundles/references');
    const [record = ''] = await readdir(references);
    const known = JSON.parse(await readFile(join(references, record), 'utf8'));
    await writeFile(join(references, record), JSON.stringify({ ...known, checkedAt: Date.now() - 3 * 86_400_000 }));
    await registry.kill();
    try {
      const registryOptions = { transport: { attempts: 1 } };
      const offline = await resolveFrom(reference, { cacheDir, registry: registryOptions });
      expect(offline).toEqual({ ...online, warnings: [expect.stringContaining('3 days ago')] });
      expect(offline.warnings[0]).toContain(reference);
      const empty = resolveFrom(reference, { registry: registryOptions });
      await expect(empty).rejects.toMatchObject({ code: 'NETWORK' });
    } finally {
      await registry.restart();
    }
    expect((await resolveFrom(reference, { cacheDir })).warnings).toEqual([]);
  });

  it('whose name is gone is an error, not an old bundle', async () => {
    await expect(resolveFrom(`${registry.host}/vz-linux:missing`)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('is refused when a blob was changed on its way, and nothing of it is kept', async () => {
    await pushBundle(small, `${registry.host}/changed:1`);
    const cacheDir = join(folder, 'changed');
    await using proxy = await changingProxy(registry.host);
    const refused = resolveFrom(`${proxy.host}/changed:1`, { cacheDir });
    await expect(refused).rejects.toMatchObject({ code: 'PULL_FAILED' });
    expect(await leftovers(cacheDir)).toEqual([]);
  });

  it('is refused when it is none, or one of somebody with bad intentions', async () => {
    const files: TarInput[] = [
      { path: 'vz-linux/Image', content: await readFile(join(small, 'Image')) },
      { path: 'vz-linux/initramfs.cpio.gz', content: gzipSync(await readFile(join(small, 'initramfs.cpio'))) },
      { path: 'vz-linux/volume-template.gz', content: await readFile(join(small, 'volume-template.gz')) },
      { path: 'vz-linux/manifest.json', content: await readFile(join(small, 'manifest.json')) },
    ];
    const layer = (entries: TarInput[], mediaType = packedType) => ({ mediaType, bytes: gzipSync(writeTar(entries)) });
    const asOne: Omit<PushArtifactInput, 'reference'> = { artifactType: bundleType, layers: [layer(files)] };
    await pushArtifact({ ...asOne, reference: `${registry.host}/hostile:honest` });
    expect(await readFile((await resolveFrom(`${registry.host}/hostile:honest`)).kernel, 'utf8')).toBe('a kernel');

    const titled = { 'org.opencontainers.image.title': '../../escaped' };
    const hostile: Record<string, Partial<PushArtifactInput>> = {
      'another-type': { artifactType: 'application/vnd.example.other' },
      'no-layers': { layers: [] },
      'another-layer': { layers: [layer(files, 'application/vnd.oci.image.layer.v1.tar')] },
      'many-layers': { layers: Array.from({ length: 9 }, (_, index) => layer([{ path: `vz-linux/${index}` }])) },
      'no-kernel': { layers: [layer(files.slice(1))] },
      'other-kernel': { layers: [layer([{ path: 'vz-linux/Image', content: 'b kernel' }, ...files.slice(1)])] },
      'titled-file': { layers: [{ mediaType: packedType, bytes: gzipSync('escaped'), annotations: titled }] },
      'leads-out': { layers: [layer([...files, { path: '../escaped', content: 'x' }])] },
    };
    for (const [tag, changes] of Object.entries(hostile)) {
      const reference = `${registry.host}/hostile:${tag}`;
      await pushArtifact({ ...asOne, ...changes, reference });
      const cacheDir = join(folder, `hostile-${tag}`, 'cache');
      await expect(resolveFrom(reference, { cacheDir }), tag).rejects.toMatchObject({ code: 'PULL_FAILED' });
      expect(await leftovers(cacheDir), tag).toEqual([]);
      expect(await readdir(join(cacheDir, '..')), tag).toEqual(['cache']);
    }
    const arm64 = resolveFrom(`${registry.host}/hostile:honest`, { architecture: 'arm64' });
    await expect(arm64).rejects.toMatchObject({ code: 'PULL_FAILED', message: expect.stringContaining('amd64') });
  });

  it('is not pushed when its files are not what its manifest says', async () => {
    const damaged = join(folder, 'damaged');
    await cp(small, damaged, { recursive: true });
    await writeFile(join(damaged, 'Image'), 'b kernel');
    const pushing = pushBundle(damaged, `${registry.host}/damaged:1`);
    await expect(pushing).rejects.toMatchObject({ code: 'INVALID_SPEC', subject: join(damaged, 'Image') });
  });
});

describe('the bundle that ships with the package', () => {
  it('is used where nothing else is named, without a look at Debian or a registry', async () => {
    const installed = join(folder, 'installed');
    const source = join(import.meta.dirname, '..');
    for (const part of ['dist', 'package.json']) {
      await cp(join(source, part), join(installed, part), { recursive: true });
    }
    await cp(small, join(installed, 'bundle', architecture), { recursive: true });
    await symlink(join(source, 'node_modules'), join(installed, 'node_modules'));
    const script = `import { resolveGuest } from ${JSON.stringify(join(installed, 'dist/index.js'))};
      const options = ${JSON.stringify({ architecture, cacheDir: join(folder, 'unused'), env: {} })};
      console.log(JSON.stringify(await resolveGuest(options)));`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '--eval', script]);
    const guest = JSON.parse(stdout) as Guest;
    expect(guest).toMatchObject({ source: 'package', kernel: join(installed, 'bundle', architecture, 'Image') });
    await expect(stat(join(folder, 'unused'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('a guest from a registry’s bundle', () => {
  it('boots, and grows volumes of every size to what was asked for, with what was written in them kept', async () => {
    const reference = `${registry.host}/booted:1`;
    await pushBundle(bundle, reference);
    const guest = await resolveFrom(reference);
    const image = join(folder, 'image');
    await mkdir(image);
    await makeContainerRoot(image, architecture);
    await makeErofs(join(folder, 'root.erofs'), image);
    const gibibytes = { usual: 64, larger: 200, smaller: 3 };
    const template = guest.volumeTemplate ?? '';
    for (const [name, count] of Object.entries(gibibytes)) {
      await createVolume(join(folder, name), { sizeBytes: count * 1024 ** 3, template });
    }
    {
      await using machine = await Machine.boot({
        ...guest,
        devices: [
          ...diskArguments('root', join(folder, 'root.erofs'), { readonly: true }),
          ...Object.keys(gibibytes).flatMap((name) => diskArguments(name, join(folder, name))),
        ],
      });
      const mounts = Object.keys(gibibytes).map((name) => mount({ kind: 'disk', source: name, target: `/${name}` }));
      const script = `for name in ${Object.keys(gibibytes).join(' ')}; do
        echo kept > /$name/file; df -k /$name | tail -1 | awk '{ print $2 }'; done; sync`;
      const outcome = await startShell(machine.client(), script, { mounts });
      expect(outcome).toMatchObject({ code: 0, stderr: '' });
      const sizes = outcome.stdout.trim().split('\n').map(Number);
      for (const [index, count] of Object.values(gibibytes).entries()) {
        expect(sizes[index]).toBeGreaterThan(count * 1024 ** 2 * 0.97);
        expect(sizes[index]).toBeLessThanOrEqual(count * 1024 ** 2);
      }
    }
    for (const name of Object.keys(gibibytes)) {
      const path = join(folder, name);
      expect((await stat(path)).blocks * 512, name).toBeLessThan(16 * 1024 ** 2);
      // The machine was ended at once: the journal is played back (1), nothing else is at fault.
      const repaired = await run('e2fsck', ['-f', '-p', path]).then(
        () => 0,
        ({ code }) => code as number,
      );
      expect(repaired, name).toBeLessThanOrEqual(1);
      const { stdout } = await run('debugfs', ['-R', 'cat /file', path]);
      expect(stdout).toBe('kept\n');
    }
  });
});

/** A registry's double that flips one bit in the middle of every large blob. */
async function changingProxy(host: string): Promise<{ host: string } & AsyncDisposable> {
  const server = createServer((incoming, outgoing) => {
    const { method, url: path, headers } = incoming;
    const [hostname, port] = host.split(':');
    const upstream = request({ hostname, port, method, path, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('data', (chunk: Buffer) => {
        const at = chunk.length >> 1;
        if (path?.includes('/blobs/') && chunk.length > 1000) chunk.writeUInt8(chunk.readUInt8(at) ^ 1, at);
        outgoing.write(chunk);
      });
      answer.on('end', () => outgoing.end());
    });
    upstream.on('error', () => outgoing.destroy());
    incoming.pipe(upstream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return { host: `127.0.0.1:${port}`, [Symbol.asyncDispose]: close };
}
