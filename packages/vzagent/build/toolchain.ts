import { access } from 'node:fs/promises';
import { join } from 'node:path';
import type { Architecture } from '@zlayer/runtime-core';
import { ZlayerError } from '@zlayer/runtime-core';
import { debianPackage } from '../src/debian/debian-packages.ts';
import { runCommand } from '../src/run-command.ts';

/** What differs between the architectures the agent is compiled for. */
const TARGETS = {
  amd64: {
    compiler: 'x86_64-linux-gnu-gcc',
    packages: ['gcc', 'libc6-dev', 'linux-libc-dev'],
    musl: 'x86_64-linux-musl',
    kernelHeaders: ['/usr/include/x86_64-linux-gnu', '/usr/include'],
    flags: [],
  },
  arm64: {
    compiler: 'aarch64-linux-gnu-gcc',
    packages: ['gcc-aarch64-linux-gnu', 'libc6-dev-arm64-cross'],
    musl: 'aarch64-linux-musl',
    kernelHeaders: ['/usr/aarch64-linux-gnu/include'],
    flags: [
      // There is one thread, so nothing is atomic.
      '-mno-outline-atomics',
      // All of the program, with its empty memory, lies within 1 MiB of each instruction: an address takes one instead
      // of two. It takes no detour around the Cortex-A53's erratum either.
      '-mcmodel=tiny',
      '-Wl,--fix-cortex-a53-843419=adr',
      // A kernel with 16 KiB pages can load it, too.
      '-Wl,-z,max-page-size=16384',
    ],
  },
} as const;

const FLAGS = [
  '-std=c11',
  '-D_GNU_SOURCE',
  '-Oz',
  // As one piece, so that what is called once is no function, and what is called nowhere is not there.
  '-flto',
  '-flto-partition=one',
  '-fomit-frame-pointer',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-fPIE',
  '-fstack-protector-strong',
  '-ffunction-sections',
  '-fdata-sections',
  '-fno-asynchronous-unwind-tables',
  '-fno-unwind-tables',
  '-static-pie',
  '-s',
  // The layout's own tables are sealed by the agent, in place of -z relro.
  '-Wl,--gc-sections,--build-id=none,-z,now,-z,norelro,-z,noexecstack',
  ...['-T', join(import.meta.dirname, 'agent.ld')],
];

/**
 * Compiles C sources into one static executable against musl, the same bytes wherever and whenever it is done.
 *
 * @param macros what is defined for all of them, as C source text.
 */
export async function compileStatic(
  architecture: Architecture,
  sources: readonly string[],
  folder: string,
  output: string,
  macros: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { compiler, packages, musl, kernelHeaders, flags } = TARGETS[architecture];
  const remedy = `install the Debian packages ${packages.join(' and ')}`;
  const ask = async (option: string) => (await runCommand(compiler, [option], { remedy })).trim();
  const prefix = await muslPrefix(architecture, musl);
  const headers = join(prefix, 'include', musl);
  const libraries = join(prefix, 'lib', musl);
  const ownHeaders = await ask('-print-file-name=include');
  const runtime = await ask('-print-libgcc-file-name');
  await requireKernelHeaders(join(kernelHeaders[0], 'asm'), remedy);
  const args = [
    ...FLAGS,
    ...flags,
    ...Object.entries(macros).map(([name, value]) => `-D${name}=${value}`),
    `-ffile-prefix-map=${folder}=agent`,
    '-nostdinc',
    ...['-isystem', headers, '-isystem', ownHeaders],
    ...kernelHeaders.flatMap((path) => ['-idirafter', path]),
    '-nostdlib',
    join(libraries, 'rcrt1.o'),
    join(libraries, 'crti.o'),
    ...[...sources].sort(),
    '-Wl,--start-group',
    join(libraries, 'libc.a'),
    runtime,
    '-Wl,--end-group',
    join(libraries, 'crtn.o'),
    ...['-o', output],
  ];
  await runCommand(compiler, args, { cwd: folder, remedy });
}

/** The installed musl, or Debian's package for the architecture, unpacked in the cache. */
async function muslPrefix(architecture: Architecture, triple: string): Promise<string> {
  const isInstalled = await access(join('/usr/lib', triple, 'libc.a')).then(
    () => true,
    () => false,
  );
  if (isInstalled) return '/usr';
  const { root } = await debianPackage('musl-dev', {
    architecture,
    onProgress: (line) => console.log(line),
  });
  return join(root, 'usr');
}

async function requireKernelHeaders(path: string, remedy: string): Promise<void> {
  await access(path).catch((cause: unknown) => {
    throw new ZlayerError('UNAVAILABLE', `the kernel's headers are missing: ${path}`, { subject: path, remedy, cause });
  });
}
