import type { VmConfig } from '@zlayer/host';
import { describe, expect, it } from 'vitest';
import { qemuArguments } from './arguments.ts';

const config: VmConfig = {
  stateDirectory: '/state',
  architecture: 'amd64',
  kernel: '/kernel',
  initramfs: '/initramfs',
  commandLine: 'quiet rootfstag=rootfs',
  cpus: 2,
  memoryBytes: 512 * 1024 ** 2,
  shares: [{ tag: 'rootfs', path: '/images/a', readOnly: true }],
  disks: [],
  network: { type: 'none' },
  consoleFile: '/state/console.log',
  onOwnerExit: 'stop',
};
const paths = {
  qemu: '/usr/bin/qemu',
  qmpSocket: '/run,x/qmp.sock',
  eventSocket: '/run/events.sock',
  channel: { kind: 'vsock' },
} as const;

/** The value that follows an option, for each time it occurs. */
function valuesOf(argv: readonly string[], option: string): (string | undefined)[] {
  return argv.flatMap((argument, index) => (argument === option ? [argv[index + 1]] : []));
}

describe('qemuArguments', () => {
  it("puts the machine's console in front of the kernel's command line", () => {
    const amd64 = qemuArguments(config, 'tcg', paths);
    expect(valuesOf(amd64, '-append')).toEqual(['console=ttyS0 quiet rootfstag=rootfs']);
    const arm64 = qemuArguments({ ...config, architecture: 'arm64' }, 'tcg', paths);
    expect(valuesOf(arm64, '-append')).toEqual(['console=ttyAMA0 quiet rootfstag=rootfs']);
  });

  it('emulates a CPU only where none can be borrowed', () => {
    const cpu = (architecture: 'amd64' | 'arm64', accelerator: 'kvm' | 'tcg'): unknown[] =>
      valuesOf(qemuArguments({ ...config, architecture }, accelerator, paths), '-cpu');
    expect(cpu('amd64', 'tcg')).toEqual(['max']);
    expect(cpu('arm64', 'tcg')).toEqual(['cortex-a72']);
    expect(cpu('amd64', 'kvm')).toEqual(['host']);
  });

  it('shares the memory with the devices outside, all of it', () => {
    const argv = qemuArguments(config, 'tcg', paths);
    expect(valuesOf(argv, '-m')).toEqual(['536870912B']);
    expect(valuesOf(argv, '-object')).toEqual(['memory-backend-memfd,id=memory,size=536870912,share=on']);
  });

  it('keeps a comma in a path from becoming an option', () => {
    const argv = qemuArguments(
      { ...config, disks: [{ path: '/d,readonly=off', readOnly: true, serial: 's,x' }] },
      'tcg',
      paths,
    );
    expect(valuesOf(argv, '-qmp')[0]).toBe('unix:/run,,x/qmp.sock,server=on,wait=off');
    expect(valuesOf(argv, '-blockdev')[0]).toMatch(/read-only=on,.*file\.filename=\/d,,readonly=off,/);
    expect(valuesOf(argv, '-device')).toContain('virtio-blk-pci,drive=disk0,serial=s,,x');
  });

  it('gives what a guest discards back, and keeps what it flushes unless told otherwise', () => {
    const disks = ([undefined, 'direct', 'unsafe'] as const).map((cache, i) => ({
      ...{ path: `/${i}`, readOnly: false, serial: `${i}` },
      cache,
    }));
    const [cached, direct, unsafe] = valuesOf(qemuArguments({ ...config, disks }, 'tcg', paths), '-blockdev');
    expect(cached).toContain('read-only=off,cache.direct=off,cache.no-flush=off,discard=unmap,detect-zeroes=unmap');
    expect(direct).toContain('cache.direct=on,cache.no-flush=off');
    expect(unsafe).toContain('cache.direct=off,cache.no-flush=on');
  });

  it('gives every share a connected descriptor of its own', () => {
    const shares = ['rootfs', 'data'].map((tag) => ({ tag, path: `/${tag}`, readOnly: false }));
    const argv = qemuArguments({ ...config, shares }, 'tcg', paths);
    expect(valuesOf(argv, '-chardev')).toEqual([
      'socket,id=console,fd=9',
      'socket,id=share0,fd=11',
      'socket,id=share1,fd=12',
      'socket,id=vsock,fd=10',
    ]);
  });

  it('has a network only when asked', () => {
    expect(valuesOf(qemuArguments(config, 'tcg', paths), '-nic')).toEqual(['none']);
    const user = qemuArguments({ ...config, network: { type: 'user', mac: '52:54:00:00:00:01' } }, 'tcg', paths);
    expect(valuesOf(user, '-netdev')).toEqual(['user,id=network']);
    const restricted = qemuArguments({ ...config, network: { type: 'user', restricted: true } }, 'tcg', paths);
    expect(valuesOf(restricted, '-netdev')).toEqual(['user,id=network,restrict=on']);
    expect(valuesOf(user, '-device')).toContain('virtio-net-pci,netdev=network,romfile=,mac=52:54:00:00:00:01');
  });
});
