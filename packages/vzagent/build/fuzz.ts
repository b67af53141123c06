import { chmod, cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../src/run-command.ts';

const agent = join(import.meta.dirname, '../agent');

/** `decoder`: frames alone. `dispatcher`: everything behind a connection, without the privileges to make a process. */
export const FUZZ_TARGETS = ['decoder', 'dispatcher'] as const;
export type FuzzTarget = (typeof FUZZ_TARGETS)[number];

export const FUZZ_COMPILER = 'clang-16';

const FLAGS = ['-std=c11', '-D_GNU_SOURCE', '-O1', '-g', '-Wall', '-Wextra', '-Werror'];
const SANITIZERS = ['-fsanitize=fuzzer,address,undefined', '-fno-sanitize-recover=all'];

const DECODER_SOURCES = ['bytes.c', 'codec.c', 'frame.c', 'message.c', 'postcard.c', 'shape.c'];
const MACHINE_SOURCES = new Set([
  'main.c',
  'boot_failure.c',
  'channel.c',
  'channel_door.c',
  'listener.c',
  'power.c',
  'share.c',
]);

/**
 * Compiles a fuzzer and lets it try `limit` (libFuzzer's `-runs=N` or `-max_total_time=SECONDS`), beginning with the
 * corpus of the repository.
 *
 * @throws ZlayerError with the fuzzer's report when it found something.
 */
export async function fuzz(target: FuzzTarget, limit: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'vzagent-fuzz-'));
  const remedy = `install the Debian packages ${FUZZ_COMPILER} and libclang-rt-16-dev`;
  try {
    // The dispatcher's fuzzer gives its privileges up before it reads anything.
    await chmod(folder, 0o755);
    const all = (await readdir(agent)).filter((name) => name.endsWith('.c') && !MACHINE_SOURCES.has(name)).sort();
    const sources = target === 'decoder' ? DECODER_SOURCES : all;
    const program = join(folder, 'fuzzer');
    const own = join('fuzz', `${target}.c`);
    await runCommand(FUZZ_COMPILER, [...FLAGS, ...SANITIZERS, '-o', program, ...sources, own], { cwd: agent, remedy });
    const corpus = join(folder, 'corpus');
    await cp(join(agent, 'fuzz/corpus', target), corpus, { recursive: true });
    const options = ['-max_len=4096', '-rss_limit_mb=1024', '-timeout=10', '-print_final_stats=1', limit];
    // Inputs that it finds stay in memory: the corpus of the repository grows by hand.
    return await runCommand(program, [...options, corpus], { cwd: folder, remedy });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

// `node build/fuzz.ts [SECONDS]`
if (process.argv[1] === import.meta.filename) {
  const seconds = Number(process.argv[2] ?? 60);
  for (const target of FUZZ_TARGETS) {
    await fuzz(target, `-max_total_time=${seconds}`);
    console.log(`${target}: nothing found in ${seconds} s`);
  }
}
