// How fast an image of a tree on disk is written, beside mkfs.erofs (not compressing) on the same tree.
//
//   node bench/erofs/main.ts [RUNS] [FILES] [MEGABYTES]

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DirectoryNode, type ErofsNode, ErofsWriter } from '../../packages/erofs/src/index.ts';

const [runs = 5, files = 20_000, megabytes = 500] = process.argv.slice(2).map(Number);
const ATTRIBUTES = { mode: 0o755, uid: 0, gid: 0, mtime: 1_700_000_000 };
const CHUNK = Buffer.allocUnsafe(1 << 18);

const folder = await mkdtemp(join(tmpdir(), 'erofs-bench-'));
try {
  const tree = join(folder, 'tree');
  const total = await makeTree(tree);
  const image = join(folder, 'image');
  const times = { mkfs: [] as number[], ours: [] as number[], pushed: [] as number[] };
  for (let run = 0; run <= runs; run++) {
    const mkfs = await timed(() => makeWithMkfs(image, tree));
    const mkfsSize = await take(image);
    const ours = await timed(() => makeFromTree(image, tree));
    const ourSize = await take(image);
    const pushed = await timed(() => makeFromMemory(image, total));
    await rm(image);
    if (run === 0) {
      // Warms the page cache up.
      console.log(`${files} files, ${Math.round(total / 1e6)} MB; images: mkfs.erofs ${mkfsSize}, ours ${ourSize}`);
      continue;
    }
    times.mkfs.push(mkfs);
    times.ours.push(ours);
    times.pushed.push(pushed);
  }
  const mkfs = median(times.mkfs);
  console.log(`median of ${runs} runs, without waiting for the disk`);
  report('mkfs.erofs                ', mkfs);
  report('the same tree, read by us ', median(times.ours));
  report('contents from memory      ', median(times.pushed));

  function report(what: string, milliseconds: number): void {
    const rate = Math.round(total / 1000 / milliseconds);
    console.log(
      `  ${what} ${milliseconds.toFixed(0)} ms  ${rate} MB/s  (${(milliseconds / mkfs).toFixed(2)} × mkfs.erofs)`,
    );
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Mostly small files and a few large ones, as in a system's root; always the same. Returns their bytes. */
async function makeTree(root: string): Promise<number> {
  const sizes = sizesOfFiles();
  const content = Buffer.alloc(Math.max(...sizes));
  for (let index = 0; index < content.length; index++) content[index] = Math.imul(index, 2_654_435_761) >>> 13;
  for (const [index, size] of sizes.entries()) {
    const directory = join(root, `d${Math.floor(index / 1000)}`, `d${Math.floor(index / 50) % 20}`);
    if (index % 50 === 0) await mkdir(directory, { recursive: true });
    await writeFile(join(directory, `file-${index}`), content.subarray(0, size));
  }
  return sizes.reduce((sum, size) => sum + size, 0);
}

function sizesOfFiles(): number[] {
  const weights = Array.from({ length: files }, (_, index) => 1 / (((index * 7919) % files) + 20));
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => Math.round((weight / sum) * megabytes * 1e6));
}

async function makeWithMkfs(image: string, tree: string): Promise<void> {
  const mkfs = spawn('mkfs.erofs', ['-x-1', '-T0', image, tree], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = await once(mkfs, 'close');
  if (code !== 0) throw new Error(`mkfs.erofs ended with ${code}`);
}

async function makeFromTree(image: string, tree: string): Promise<void> {
  await using writer = await ErofsWriter.create(image, { sync: false });
  await writer.finish(await directoryNode(writer, tree));
}

async function directoryNode(writer: ErofsWriter, path: string): Promise<DirectoryNode> {
  const entries: [string, ErofsNode][] = [];
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name);
    if (entry.isDirectory()) entries.push([entry.name, await directoryNode(writer, child)]);
    else entries.push([entry.name, { ...ATTRIBUTES, type: 'file', data: await addFile(writer, child) }]);
  }
  return { ...ATTRIBUTES, type: 'directory', entries };
}

async function addFile(writer: ErofsWriter, path: string) {
  const descriptor = openSync(path, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const sink = writer.begin(size);
    while (sink.remaining > 0) {
      const wait = sink.write(CHUNK.subarray(0, readSync(descriptor, CHUNK)));
      if (wait !== undefined) await wait;
    }
    return sink.end();
  } finally {
    closeSync(descriptor);
  }
}

/** What is left when contents need not be read: how oci-pull uses the writer. */
async function makeFromMemory(image: string, total: number): Promise<void> {
  await using writer = await ErofsWriter.create(image, { sync: false });
  const entries: [string, ErofsNode][] = [];
  let written = 0;
  for (const [index, size] of sizesOfFiles().entries()) {
    const sink = writer.begin(size);
    while (sink.remaining > 0) {
      const wait = sink.write(CHUNK.subarray(0, Math.min(65_536, sink.remaining)));
      if (wait !== undefined) await wait;
    }
    entries.push([`file-${index}`, { ...ATTRIBUTES, type: 'file', data: sink.end() }]);
    written += size;
  }
  if (written !== total) throw new Error('the trees differ');
  await writer.finish({ ...ATTRIBUTES, type: 'directory', entries });
}

async function take(image: string): Promise<string> {
  const { size } = await stat(image);
  await rm(image);
  return `${(size / 1e6).toFixed(1)} MB`;
}

async function timed(action: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await action();
  return performance.now() - began;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return ((sorted[(sorted.length - 1) >> 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
