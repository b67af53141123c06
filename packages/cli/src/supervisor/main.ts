import { openRuntime, runtimesOf } from '../runtimes.ts';
import { packageVersion } from '../version.ts';
import { supervise } from './supervise.ts';

const [, , dataDir = ''] = process.argv;
const supervisor = await supervise({
  dataDirectory: dataDir,
  version: packageVersion,
  open: (name) => openRuntime(name, { dataDir }),
  adopt: runtimesOf().map(({ name }) => name),
});
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void supervisor.close());
await supervisor.finished;
