/**
 * Checks a real libkrun on a real machine, and ends in a table to report: `npm run verify:krun`.
 * With `--double` it checks itself, over the double of the library.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { processStatistics } from '@zlayer/host';
import { KrunDriver, type KrunDriverOptions, KrunRuntime, krunHostPath, probeLibkrun } from '@zlayer/krun';
import { serveBusybox } from '@zlayer/test-images';
import { checks, type Step } from '../verify-macos/checks.ts';

const isDouble = process.argv.includes('--double');
const id = { service: 'verify', replica: 0 };
const dataDir = await mkdtemp(join(tmpdir(), 'zlayer-verify-'));
const options: KrunDriverOptions = isDouble
  ? await (await import('../../packages/krun/e2e/double.ts')).krunDouble(dataDir)
  : {};
const architecture = isDouble || process.arch === 'arm64' ? 'arm64' : 'amd64';
const served = await serveBusybox({ architectures: [architecture], images: { plain: {} } });
const runtime = new KrunRuntime({ dataDir, ...options });
const state = join(dataDir, 'krun/containers/verify-0');
const shared = join(dataDir, 'shared');
const outside = join(dataDir, 'outside');

const inGuest = async (command: string): Promise<string> => {
  const { stdoutText, stderrText, exitCode } = await runtime.exec(id, ['sh', '-c', command]);
  if (exitCode !== 0) throw new Error(`${exitCode}: ${stdoutText}${stderrText}`);
  return stdoutText.trim();
};

const steps: Step[] = [
  ['system', async () => `${process.platform} ${release()}, ${process.arch}, Node ${process.versions.node}`],
  [
    'libkrun loads',
    async () => {
      const { library, version, ...able } = await probeLibkrun(krunHostPath(), { library: options.library });
      const lacks = Object.entries(able).flatMap(([name, value]) => (value === false ? [name] : []));
      return `${library}, ${version} or later, without ${lacks.join(', ') || 'nothing'}`;
    },
  ],
  [
    'available',
    async () => {
      const found = await runtime.availability();
      if (!found.available) throw new Error(`${found.reason}. ${found.remedy}`);
      return `${found.notes?.join(', ')}; ${(await new KrunDriver(options).limits()).maxCpus} CPUs`;
    },
  ],
  [
    'a container starts',
    async () => {
      for (const folder of [shared, outside]) await mkdir(folder);
      for (const folder of [shared, outside]) await writeFile(join(folder, 'file'), 'content\n');
      await runtime.createContainer(id, {
        image: served.images.plain,
        platform: `linux/${architecture}`,
        command: { args: ['sleep', '600'] },
        storage: [
          { type: 'bind', source: shared, target: '/shared' },
          { type: 'anonymous', target: '/volume' },
        ],
      });
      const { stages } = await runtime.startContainer(id);
      return Object.entries(stages)
        .map(([name, ms]) => `${name} ${Math.round(ms)} ms`)
        .join(', ');
    },
  ],
  [
    'it runs commands, with the right time',
    async () => {
      const [system, seconds] = (await inGuest('uname -srm; date +%s')).split('\n');
      if (Math.abs(Number(seconds) - Date.now() / 1000) > 5) throw new Error(`its clock says ${seconds}`);
      return system ?? '';
    },
  ],
  ['it shares a folder', async () => inGuest('cat /shared/file; echo guest > /shared/written')],
  ['it has a volume', async () => inGuest('echo kept > /volume/file; cat /volume/file; df -h /volume | tail -1')],
  ['its network is as said', async () => (await inGuest('ip -4 route; true')).replaceAll('\n', ', ') || 'none'],
  [
    'its process is confined',
    async () => {
      const { main } = JSON.parse(await readFile(join(state, 'vm.json'), 'utf8')) as { main: { pid: number } };
      if (process.platform !== 'linux') return 'not looked at here';
      const status = await readFile(`/proc/${main.pid}/status`, 'utf8');
      if (!/^NoNewPrivs:\s*1$/m.test(status)) throw new Error('it may gain privileges');
      return `process ${main.pid}`;
    },
  ],
  [
    'it is gone when it is removed',
    async () => {
      const { pid } = JSON.parse(await readFile(join(state, 'vm.json'), 'utf8')) as { pid: number };
      await runtime.removeContainer(id, { force: true });
      const { processes } = await processStatistics([pid]);
      if (processes !== 0) throw new Error(`zlayer-host ${pid} still runs`);
      return 'nothing left';
    },
  ],
];

try {
  const failed = await checks(steps, (line) => process.stdout.write(`${line}\n`));
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  await runtime.removeContainer(id, { force: true }).catch(() => undefined);
  await runtime.close();
  await served[Symbol.asyncDispose]();
  await rm(dataDir, { recursive: true, force: true });
}
