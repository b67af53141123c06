import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { debianPackage, type Guest, resolveGuest } from '../src/index.ts';

const architecture = 'arm64';

/** Resolves in a process of its own. */
async function resolveElsewhere(cacheDir: string): Promise<Guest> {
  const index = join(import.meta.dirname, '../src/index.ts');
  const script = `import { resolveGuest } from ${JSON.stringify(index)};
    console.log(JSON.stringify(await resolveGuest(${JSON.stringify({ architecture, cacheDir, env: {} })})));`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'close');
  const output = await text(child.stdout);
  expect(await ended).toEqual([0, null]);
  return JSON.parse(output) as Guest;
}

describe('a guest from Debian’s packages', () => {
  let cacheDir: string;

  beforeAll(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'vzagent-cache-'));
  });

  afterAll(() => rm(cacheDir, { recursive: true, force: true }));

  it('is fetched once by two processes at the same time, and both can use it', async () => {
    const [one, other] = await Promise.all([resolveElsewhere(cacheDir), resolveElsewhere(cacheDir)]);
    expect(one.kernel).toBe(other.kernel);
    expect(one.initramfs).toBe(other.initramfs);
    expect(one.kernelVersion).toMatch(/^\d+\.\d+.*-cloud-arm64$/);
    // An arm64 Image has this at its offset 56.
    expect((await readFile(one.kernel)).toString('latin1', 56, 60)).toBe('ARMd');
    expect((await readFile(one.initramfs)).toString('latin1', 0, 6)).toBe('070701');
    const left = (await readdir(cacheDir, { recursive: true })).filter((name) => name.includes('partial-'));
    expect(left).toEqual([]);
  });

  it('comes from the cache at once, without a word', async () => {
    const lines: string[] = [];
    const began = performance.now();
    const guest = await resolveGuest({ architecture, cacheDir, env: {}, onProgress: (line) => lines.push(line) });
    expect({ source: guest.source, lines }).toEqual({ source: 'debian', lines: [] });
    expect(performance.now() - began).toBeLessThan(100);
  });

  it('has an initramfs that is made again, the same, when it is gone', async () => {
    const { initramfs } = await resolveGuest({ architecture, cacheDir, env: {} });
    const before = await readFile(initramfs);
    await rm(initramfs);
    await resolveGuest({ architecture, cacheDir, env: {} });
    expect((await readFile(initramfs)).equals(before)).toBe(true);
  });

  it('brings other packages of any architecture, and says when there is none', async () => {
    const { root, version } = await debianPackage('busybox-static', { architecture, cacheDir });
    expect(version).not.toBe('');
    const program = await readFile(join(root, 'bin/busybox'));
    const aarch64 = 183;
    expect(program.readUInt16LE(18)).toBe(aarch64);
    await expect(debianPackage('no-such-package-at-all', { architecture, cacheDir })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      subject: 'no-such-package-at-all',
    });
    await expect(debianPackage('../escape', { architecture, cacheDir })).rejects.toMatchObject({
      code: 'INVALID_SPEC',
    });
  });

  it('stops fetching when asked to, and leaves nothing behind', async () => {
    const controller = new AbortController();
    const elsewhere = join(cacheDir, 'aborted');
    const fetching = resolveGuest({
      architecture,
      cacheDir: elsewhere,
      env: {},
      signal: controller.signal,
      onProgress: (line) => {
        if (line.startsWith('fetching')) controller.abort(new Error('enough'));
      },
    });
    await expect(fetching).rejects.toThrow('enough');
    const [version = 'none', ...others] = await readdir(join(elsewhere, 'kernels'));
    expect(others).toEqual([]);
    expect(await readdir(join(elsewhere, 'kernels', version, architecture))).toEqual([]);
  });

  it('says NETWORK when the mirror does not answer', async () => {
    const { http_proxy, https_proxy } = process.env;
    process.env['http_proxy'] = process.env['https_proxy'] = 'http://127.0.0.1:9';
    try {
      const refused = resolveGuest({ architecture, cacheDir: join(cacheDir, 'offline'), env: {} });
      await expect(refused).rejects.toMatchObject({ code: 'NETWORK' });
    } finally {
      for (const [name, value] of Object.entries({ http_proxy, https_proxy })) {
        if (value === undefined) delete process.env[name];
        else process.env[name] = value;
      }
    }
  });

  it('is UNAVAILABLE where apt is missing, with every other way to have one', async () => {
    const path = process.env['PATH'];
    const bin = join(cacheDir, 'bin');
    await rm(bin, { recursive: true, force: true });
    process.env['PATH'] = bin;
    try {
      const refused = resolveGuest({ architecture, cacheDir: join(cacheDir, 'bare'), env: {} });
      await expect(refused).rejects.toMatchObject({
        code: 'UNAVAILABLE',
        remedy: expect.stringMatching(/_KERNEL and .*_INITRD; .*_BUNDLE; .*option guest or bundle; install .*Debian/),
      });
    } finally {
      process.env['PATH'] = path;
    }
  });
});
