// What `npm start` shows: a small image is made, served by a registry, pulled, and run in a virtual machine.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { QemuRuntime } from '@zlayer/qemu';
import { formatPlatform, parsePlatform, ZlayerError } from '@zlayer/runtime-core';
import { serveBusybox } from '@zlayer/test-images';
import { resolveGuest } from '@zlayer/vzagent';

const GREETING = [
  'echo "Hello from a container in a virtual machine of its own."',
  'echo "kernel $(uname -r), architecture $(uname -m), up for $(cut -d" " -f1 /proc/uptime) s"',
].join('; ');

async function timed<T>(work: () => Promise<T>): Promise<[result: T, seconds: string]> {
  const began = performance.now();
  const result = await work();
  return [result, ((performance.now() - began) / 1000).toFixed(2)];
}

async function demonstrate(platformName: string | undefined): Promise<number> {
  const platform = parsePlatform(platformName ?? process.arch);
  const id = { service: 'hello', replica: 0 };
  const cancel = new AbortController();
  const { signal } = cancel;
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => cancel.abort());

  await resolveGuest({ architecture: platform.architecture, onProgress: (step) => console.log(`▸ ${step}`), signal });
  // The image is always pulled anew, so its store lives no longer than the demonstration.
  const dataDir = await mkdtemp(join(tmpdir(), 'zlayer-demo-'));
  try {
    await using registry = await serveBusybox({
      architectures: [platform.architecture],
      images: { hello: {} },
      signal,
    });
    const { hello } = registry.images;
    await using runtime = new QemuRuntime({ dataDir });
    const [image, pullTime] = await timed(() => runtime.pullImage(hello, { platform, signal }));
    console.log(`▸ Run ${image.reference} for ${formatPlatform(platform)}`);
    await runtime.createContainer(id, {
      image: hello,
      platform: formatPlatform(platform),
      pullPolicy: 'never',
      command: { args: ['sh', '-c', GREETING] },
    });
    const output = (async () => {
      for await (const { stream, data } of runtime.attachContainer(id)) process[stream].write(data);
    })();
    const { stages } = await runtime.startContainer(id, { signal });
    const [result, runTime] = await timed(() => Promise.all([runtime.waitContainer(id, { signal }), output]));
    const { boot = 0, agent = 0, workload = 0 } = stages;
    const bootTime = ((boot + agent) / 1000).toFixed(2);
    console.log(`pull ${pullTime} s, boot ${bootTime} s, run ${(workload / 1000 + Number(runTime)).toFixed(2)} s`);
    return result[0].exitCode ?? 1;
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}

const { values } = parseArgs({ options: { platform: { type: 'string' } } });
try {
  process.exitCode = await demonstrate(values.platform);
} catch (error) {
  if (error instanceof Error && error.name === 'AbortError') console.error('Interrupted; nothing is left running.');
  else if (error instanceof ZlayerError) console.error([error.message, error.remedy].filter(Boolean).join('\n'));
  else console.error(error);
  process.exitCode = 1;
}
