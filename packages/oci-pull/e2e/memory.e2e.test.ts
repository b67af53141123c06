import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { pushLayout, type RegistryServer, startRegistry, writeImageLayout } from '../src/testing/index.ts';

const run = promisify(execFile);
const program = fileURLToPath(new URL('memory-process.ts', import.meta.url));
const layerCount = 4;
const filesOfLayer = 400;

let directory: string;
let registry: RegistryServer;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'zlayer-memory-'));
  registry = await startRegistry();
});

afterAll(async () => {
  await registry?.close();
  await rm(directory, { recursive: true, force: true });
});

/** An image of always the same entries, with so many MiB of bytes that no compression makes less. */
async function push(megabytes: number): Promise<string> {
  const size = Math.floor((megabytes * 1024 ** 2) / (layerCount * filesOfLayer));
  const layers = Array.from({ length: layerCount }, (_, layer) => ({
    compression: 'zstd' as const,
    content: Array.from({ length: filesOfLayer }, (_, file) => ({
      path: `layer-${layer}/file-${file}`,
      content: randomBytes(size),
    })),
  }));
  const layout = join(directory, `layout-${megabytes}`);
  const reference = `${registry.host}/memory:${megabytes}`;
  await writeImageLayout(layout, { name: 'a', images: [{ architecture: 'amd64', layers }] });
  await pushLayout(layout, 'a', reference);
  await rm(layout, { recursive: true });
  return reference;
}

test('memory is flat: an image of 192 MiB needs what one of 64 MiB does, in a directory and in EROFS', async () => {
  const images = [await push(64), await push(192)];
  for (const target of ['directory', 'erofs']) {
    const peaks: number[] = [];
    for (const reference of images) {
      const folder = await mkdtemp(join(directory, 'pull-'));
      peaks.push(Number((await run(process.execPath, [program, target, reference, folder])).stdout));
      await rm(folder, { recursive: true });
    }
    const [small = Number.NaN, large = Number.NaN] = peaks;
    expect(large, target).toBeLessThan(200);
    // What V8 has not collected yet makes a difference from run to run, of 20 MiB at times.
    expect(large - small, target).toBeLessThan(48);
  }
}, 120_000);
