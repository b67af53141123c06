import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../run-command.ts';
import { readSparseTar } from './sparse-tar.ts';
import { BLOCK_BYTES, encodeVolumeTemplate, type TemplateImage, type TemplateRange } from './volume-template.ts';

const MIB = 1024 ** 2;

/**
 * The file systems in a template. Growing one costs a guest time (0.3 s from the smallest to 64 GiB, 5 s to 1 TiB, both
 * emulated) and cannot grow its journal, so there is one for each order of magnitude; the last is the usual volume's.
 */
const IMAGES = [
  { bytes: 16 * MIB, journalMiB: 4 },
  { bytes: 1024 * MIB, journalMiB: 32 },
  { bytes: 64 * 1024 * MIB, journalMiB: 64 },
] as const;

/** Spelled out, so that neither this machine's mke2fs.conf nor a later mke2fs changes what comes out. */
const FEATURES = [
  ...['none', 'has_journal', 'ext_attr', 'dir_index', 'filetype', 'extent', '64bit', 'flex_bg', 'sparse_super'],
  ...['large_file', 'huge_file', 'dir_nlink', 'extra_isize', 'metadata_csum'],
  // Descriptors of new groups lie in the groups themselves: it grows without limit and without room kept for that.
  'meta_bg',
];

/** Any will do: nothing looks for a volume by it. */
const UUID = '7a6c6179-6572-4000-8000-766f6c756d65';
const HASH_SEED = '7a6c6179-6572-4000-8000-686173686573';

/** Where `mke2fs` is, where the search path of an ordinary user does not have it. */
const SYSTEM_PATHS = ['/usr/sbin', '/sbin', '/opt/homebrew/opt/e2fsprogs/sbin', '/usr/local/opt/e2fsprogs/sbin'];

const REMEDY = 'install e2fsprogs and GNU tar';

/**
 * Makes a template of empty ext4 file systems, the same bytes whenever and wherever the same e2fsprogs do it.
 *
 * @throws {ZlayerError} `UNAVAILABLE` without `mke2fs` or `tar`.
 */
export async function makeVolumeTemplate(signal?: AbortSignal): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'volume-template-'));
  try {
    const images: TemplateImage[] = [];
    for (const { bytes, journalMiB } of IMAGES) {
      const image = join(folder, 'image');
      await makeFileSystem(image, bytes, journalMiB, signal);
      images.push({ sizeBytes: bytes, ranges: await readRanges(folder, signal) });
      await rm(image);
    }
    return await encodeVolumeTemplate(images);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeFileSystem(image: string, bytes: number, journalMiB: number, signal?: AbortSignal): Promise<void> {
  await using file = await open(image, 'wx');
  await file.truncate(bytes);
  // A group has as many inodes in small file systems as in large ones, or those that grow would soon have too few.
  const groupBytes = BLOCK_BYTES * 8 * BLOCK_BYTES;
  const inodes = Math.max(1, bytes / groupBytes) * 8192;
  const args = [
    ...[
      '-q',
      '-F',
      '-b',
      String(BLOCK_BYTES),
      '-I',
      '256',
      '-N',
      String(inodes),
      '-m',
      '0',
      '-J',
      `size=${journalMiB}`,
    ],
    ...['-O', FEATURES.join(','), '-U', UUID, '-e', 'continue', '-o', 'Linux'],
    // Tables and journal count as zeroed: they are, in a file of zeroes, and a guest need not write them again.
    ...['-E', `hash_seed=${HASH_SEED},lazy_itable_init=0,lazy_journal_init=0,nodiscard,root_owner=0:0`],
    image,
  ];
  const env = {
    ...process.env,
    PATH: [process.env['PATH'] ?? '', ...SYSTEM_PATHS].join(':'),
    LC_ALL: 'C',
    MKE2FS_CONFIG: '/dev/null',
    // The first is what mke2fs before 1.47.1 knows.
    E2FSPROGS_FAKE_TIME: '1',
    SOURCE_DATE_EPOCH: '1',
  };
  await runCommand('mke2fs', args, { env, remedy: REMEDY, signal });
}

/** Node cannot ask a file for its holes; tar can, and writes what is between them. */
async function readRanges(folder: string, signal?: AbortSignal): Promise<TemplateRange[]> {
  const archive = join(folder, 'image.tar');
  const args = ['--create', '--sparse', '--format=posix', '--sparse-version=1.0', `--file=${archive}`];
  await runCommand('tar', [...args, `--directory=${folder}`, 'image'], { remedy: REMEDY, signal });
  const ranges = readSparseTar(await readFile(archive));
  await rm(archive);
  return withoutZeroes(ranges);
}

/** Which zeroes are holes depends on the machine's file system; in a template all are. */
function withoutZeroes(ranges: readonly TemplateRange[]): TemplateRange[] {
  const zeroes = Buffer.alloc(BLOCK_BYTES);
  const kept: { offset: number; data: Uint8Array[] }[] = [];
  let end = -1;
  for (const { offset, data } of ranges) {
    for (let at = 0; at < data.length; at += BLOCK_BYTES) {
      const block = data.subarray(at, at + BLOCK_BYTES);
      if (zeroes.equals(block)) continue;
      const last = kept.at(-1);
      if (last !== undefined && end === offset + at) last.data.push(block);
      else kept.push({ offset: offset + at, data: [block] });
      end = offset + at + BLOCK_BYTES;
    }
  }
  return kept.map(({ offset, data }) => ({ offset, data: Buffer.concat(data) }));
}
