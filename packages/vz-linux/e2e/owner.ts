// Starts a container, says that it runs, and waits to be killed. Run by tests.

import type { ServiceSpecInput } from '@zlayer/runtime-core';
import { VzLinuxRuntime } from '@zlayer/vz-linux';
import { DOUBLE } from './double.ts';

const [dataDir, spec] = process.argv.slice(2);
if (dataDir === undefined || spec === undefined) throw new Error('usage: owner.ts DATA_DIR SPEC');
const runtime = new VzLinuxRuntime({ dataDir, ...DOUBLE });
const id = { service: 'owned', replica: 0 };
await runtime.createContainer(id, JSON.parse(spec) as ServiceSpecInput);
await runtime.startContainer(id);
process.stdout.write('running\n');
// Until it is killed.
setInterval(() => {}, 1000);
