import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Architecture, parsePlatform } from '@zlayer/runtime-core';

const CROSS_COMPILERS: Readonly<Record<Architecture, string>> = {
  amd64: 'x86_64-linux-gnu-gcc',
  arm64: 'aarch64-linux-gnu-gcc',
};

/** The program `udp-echo.c`, for guests of an architecture. */
export async function udpEcho(architecture: Architecture): Promise<Buffer> {
  const isOwn = parsePlatform(process.arch).architecture === architecture;
  const compiler = isOwn ? 'cc' : CROSS_COMPILERS[architecture];
  const directory = await mkdtemp(join(tmpdir(), 'zlayer-udp-'));
  try {
    const program = join(directory, 'udp-echo');
    await promisify(execFile)(compiler, ['-static', '-O2', '-o', program, join(import.meta.dirname, 'udp-echo.c')]);
    return await readFile(program);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
