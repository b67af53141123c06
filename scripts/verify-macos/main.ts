/**
 * Checks on a real Mac what cannot be checked elsewhere, and ends in a table to report: `npm run verify:macos`.
 * With `--double` it checks itself, over the double of the framework on Linux.
 */
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { processStatistics } from '@zlayer/host';
import { serveBusybox } from '@zlayer/test-images';
import { VzDriver, VzLinuxRuntime } from '@zlayer/vz-linux';
import { macGuestsByHost, queryVzHost, randomMac, VzMachine, vzHostPath, vzSupport } from '@zlayer/vz-native';
import { resolveGuest } from '@zlayer/vzagent';
import { checks, type Step } from './checks.ts';

const isDouble = process.argv.includes('--double');
const architecture = isDouble || process.arch === 'arm64' ? 'arm64' : 'amd64';
const MAX_HOST_BYTES = 15 * 1024 ** 2;
const BOOT_MS = 30_000;
const id = { service: 'verify', replica: 0 };

if (isDouble) process.env['VZ_DOUBLE_ENTITLEMENTS'] = 'com.apple.security.virtualization';
const built = join(import.meta.dirname, '../../packages/vz-native/native/build/Release');
const hostProgram = (): string => (isDouble ? join(built, 'vz-host') : vzHostPath());
const addon = isDouble ? { addon: join(built, 'vz-native.node') } : {};

const dataDir = await mkdtemp(join(tmpdir(), 'zlayer-verify-'));
if (isDouble) await standForApple(join(dataDir, 'macos'));
const served = await serveBusybox({ architectures: [architecture], images: { plain: {} } });
let runtime: VzLinuxRuntime | undefined;

/** What the double answers in Apple's place. */
async function standForApple(folder: string): Promise<void> {
  await mkdir(folder);
  const image = { build: '24B83', version: '15.1.0', hardwareModel: 2, minCpus: 2, minMemoryBytes: 4 * 1024 ** 3 };
  await writeFile(join(folder, 'latest.ipsw'), JSON.stringify(image));
  process.env['VZ_DOUBLE_MACOS'] = folder;
}

/** Set by the steps before. */
const made = (): VzLinuxRuntime => {
  if (runtime === undefined) throw new Error('there is no runtime');
  return runtime;
};
const hostPid = async (): Promise<number> => {
  const file = join(dataDir, 'vz-linux/containers/verify-0/vm.json');
  return (JSON.parse(await readFile(file, 'utf8')) as { pid: number }).pid;
};

/** Starts a guest in this very process, and calls its agent. */
async function bootHere(): Promise<string> {
  const { kernel, initramfs } = await resolveGuest({ architecture });
  const config = { kernel, initramfs, commandLine: 'quiet', cpus: 1, memoryBytes: 512 * 1024 ** 2 };
  await using log = await open(join(dataDir, 'console.log'), 'a');
  await using machine = new VzMachine(
    { ...config, shares: [], disks: [], network: null },
    { ...addon, console: log.fd },
  );
  const began = performance.now();
  await machine.start();
  for (;;) {
    const socket = await machine.connect(1024).catch((error: unknown) => {
      if (performance.now() - began > BOOT_MS) throw error;
    });
    socket?.destroy();
    if (socket !== undefined) return `its agent answers after ${Math.round(performance.now() - began)} ms`;
    await setTimeout(20);
  }
}

const steps: Step[] = [
  ['system', async () => `${process.platform} ${release()}, ${process.arch}, Node ${process.versions.node}`],
  [
    'vz-host runs and is entitled',
    async () => {
      const support = await queryVzHost(hostProgram());
      if (!support.supported || !support.entitled) throw new Error(JSON.stringify(support));
      return `${support.maxCpus} CPUs, ${support.minMemoryBytes / 1024 ** 2} MiB at least`;
    },
  ],
  [
    'the addon loads',
    async () => {
      const { supported, entitled, rosetta } = vzSupport(addon);
      if (!supported) throw new Error('it says that machines are not supported');
      return `${randomMac(addon)}, ${entitled ? 'entitled' : 'not entitled'}, Rosetta ${rosetta}`;
    },
  ],
  [
    'what guests that run macOS need',
    async () => {
      if (architecture === 'amd64') return 'not tried: they are for Macs with Apple silicon';
      const tools = macGuestsByHost(hostProgram());
      const { version, build, needs } = await tools.findLatestRestoreImage();
      if (needs === undefined) throw new Error(`this Mac cannot run macOS ${version}`);
      const model = await tools.checkHardwareModel(needs.hardwareModel);
      if (model !== 'supported') throw new Error(`its hardware model is ${model}`);
      await tools.createAuxiliaryStorage(join(dataDir, 'aux.img'), needs.hardwareModel);
      const identifier = await tools.newMachineIdentifier();
      return `macOS ${version} (${build}), ${needs.minCpus} CPUs, ${identifier.length} characters of identity`;
    },
  ],
  [
    'a machine in this process',
    async () => {
      if (!vzSupport(addon).entitled) return 'not tried: this node has no entitlement (docs/macos.md)';
      return bootHere();
    },
  ],
  [
    'available',
    async () => {
      runtime = new VzLinuxRuntime({ dataDir, architecture, hostProgram: hostProgram() });
      const { available, ...why } = await runtime.availability();
      if (!available) throw new Error(JSON.stringify(why));
      return `${(await new VzDriver({ hostProgram: hostProgram() }).limits()).maxCpus} CPUs`;
    },
  ],
  [
    'a container starts',
    async () => {
      const spec = {
        image: served.images.plain,
        platform: `linux/${architecture}`,
        command: { args: ['sleep', '600'] },
      };
      await made().createContainer(id, spec);
      const { stages } = await made().startContainer(id);
      return Object.entries(stages)
        .map(([name, ms]) => `${name} ${Math.round(ms)} ms`)
        .join(', ');
    },
  ],
  [
    'its host program is small',
    async () => {
      const { residentBytes = 0 } = await processStatistics([await hostPid()]);
      if (residentBytes > MAX_HOST_BYTES) throw new Error(`${residentBytes} bytes`);
      return `${(residentBytes / 1024 ** 2).toFixed(1)} MiB`;
    },
  ],
  [
    'it runs commands, with the right time',
    async () => {
      const { stdoutText, exitCode } = await made().exec(id, ['sh', '-c', 'uname -sm; date +%s']);
      const [system, seconds] = stdoutText.trim().split('\n');
      if (exitCode !== 0 || Math.abs(Number(seconds) - Date.now() / 1000) > 5) throw new Error(stdoutText);
      return system ?? '';
    },
  ],
  [
    'it has a network',
    async () => {
      const { stdoutText } = await made().exec(id, ['sh', '-c', 'ip -4 addr show | grep -v 127.0.0.1 | grep inet']);
      if (!stdoutText.includes('inet')) throw new Error('no address');
      return stdoutText.trim().split(/\s+/)[1] ?? '';
    },
  ],
  [
    'it pauses and goes on',
    async () => {
      await made().pauseContainer(id);
      await made().unpauseContainer(id);
      const { exitCode } = await made().exec(id, ['true']);
      return `exit code ${exitCode}`;
    },
  ],
  [
    'an amd64 image runs with Rosetta',
    async () => {
      const { rosetta } = await queryVzHost(hostProgram());
      if (architecture === 'amd64' || rosetta !== 'installed') return `not tried: Rosetta ${rosetta}`;
      await using image = await serveBusybox({ architectures: ['amd64'], images: { plain: {} } });
      const foreign = { service: 'verify-amd64', replica: 0 };
      const spec = { image: image.images.plain, platform: 'linux/amd64', command: { args: ['sleep', '600'] } };
      try {
        await made().createContainer(foreign, spec);
        await made().startContainer(foreign);
        return (await made().exec(foreign, ['uname', '-sm'])).stdoutText.trim();
      } finally {
        await made().removeContainer(foreign, { force: true });
      }
    },
  ],
  [
    'it is gone when it is removed',
    async () => {
      const pid = await hostPid();
      await made().removeContainer(id, { force: true });
      const { processes } = await processStatistics([pid]);
      if (processes !== 0) throw new Error(`vz-host ${pid} still runs`);
      return 'nothing left';
    },
  ],
];

try {
  const failed = await checks(steps, (line) => process.stdout.write(`${line}\n`));
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  await runtime?.removeContainer(id, { force: true }).catch(() => {});
  await runtime?.close();
  await served[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
}
