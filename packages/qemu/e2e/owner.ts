// Starts a container that would run for long, says that it runs, and waits to be killed. Run by a test.

import { QemuRuntime } from '@zlayer/qemu';

const [dataDir, image] = process.argv.slice(2);
if (dataDir === undefined || image === undefined) throw new Error('usage: owner.ts DATA_DIR IMAGE');
const runtime = new QemuRuntime({ dataDir });
const id = { service: 'owned', replica: 0 };
await runtime.createContainer(id, { image, command: { args: ['sleep', '1000'] } });
await runtime.startContainer(id);
process.stdout.write('running\n');
