import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
// By its path: a dependency of packages would be a circle, since @zlayer/vzagent builds on this package.
import { kernelArguments, resolveGuest, writeCpio } from '../../../vzagent/src/index.ts';

const TIMEOUT_MS = 90_000;

/** Boots a guest whose kernel mounts an image, and returns the lines it prints about it. */
export async function mountInGuest(image: string): Promise<string[]> {
  const guest = await resolveGuest({ architecture: 'amd64' });
  const folder = await mkdtemp(join(tmpdir(), 'erofs-guest-'));
  try {
    const probe = join(folder, 'probe');
    const flags = ['-static', '-std=c11', '-D_GNU_SOURCE', '-O2', '-Wall', '-Wextra', '-Werror'];
    await promisify(execFile)('musl-gcc', [...flags, join(import.meta.dirname, 'probe.c'), '-o', probe]);
    // Of two archives in a row the second one's files win: the modules stay, the agent goes.
    const own = writeCpio([{ type: 'file', path: 'init', data: await readFile(probe), mode: 0o755 }]);
    const initramfs = join(folder, 'initramfs');
    await writeFile(initramfs, [await readFile(guest.initramfs), own]);
    return await run([
      ...['-M', 'q35', '-cpu', 'max', '-accel', 'tcg,thread=multi', '-smp', '2', '-m', '512'],
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-serial', 'stdio'],
      ...['-kernel', guest.kernel, '-initrd', initramfs],
      ...['-append', ['console=ttyS0', ...kernelArguments('amd64')].join(' ')],
      ...['-drive', `if=none,id=image,format=raw,read-only=on,file=${image}`, '-device', 'virtio-blk-pci,drive=image'],
    ]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function run(args: readonly string[]): Promise<string[]> {
  const qemu = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const closed = once(qemu, 'close');
  const timer = setTimeout(() => qemu.kill('SIGKILL'), TIMEOUT_MS);
  try {
    const pieces: Buffer[] = [];
    for await (const piece of qemu.stdout) pieces.push(piece);
    return Buffer.concat(pieces).toString('latin1').split(/\r?\n/);
  } finally {
    clearTimeout(timer);
    qemu.kill('SIGKILL');
    await closed;
  }
}
