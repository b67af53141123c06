// Starts a container, says that it runs, and carries out the programs that it is told line by line. Run by tests, as a
// user who is not root.

import { createInterface } from 'node:readline';
import { QemuRuntime } from '@zlayer/qemu';
import type { ServiceSpecInput } from '@zlayer/runtime-core';

const [dataDir, virtiofsd, spec] = process.argv.slice(2);
if (dataDir === undefined || spec === undefined) throw new Error('usage: user-program.ts DATA_DIR VIRTIOFSD SPEC');
const runtime = new QemuRuntime({ dataDir, programs: { virtiofsd } });
const id = { service: 'user', replica: 0 };
const say = (message: unknown): boolean => process.stdout.write(`${JSON.stringify(message)}\n`);

await runtime.createContainer(id, JSON.parse(spec) as ServiceSpecInput);
await runtime.startContainer(id);
say('running');
for await (const line of createInterface(process.stdin)) {
  const { exitCode, stdoutText, stderrText } = await runtime.exec(id, JSON.parse(line) as string[]);
  say({ exitCode, stdoutText, stderrText });
}
await runtime.stopContainer(id, { timeoutMs: 30_000 });
say(await runtime.waitContainer(id));
await runtime.removeContainer(id);
await runtime.close();
