/** Starts a container whose machine is in this process, says so, and goes on: in-process-owner DATA-DIRECTORY SPEC. */
import { VzLinuxRuntime } from '../src/index.ts';
import { IN_PROCESS } from './double.ts';

const [dataDir = '', spec = '{}'] = process.argv.slice(2);
const id = { service: 'inside', replica: 0 };
const runtime = new VzLinuxRuntime({ dataDir, ...IN_PROCESS });
await runtime.createContainer(id, JSON.parse(spec));
await runtime.startContainer(id);
process.stdout.write('running\n');
setInterval(() => {}, 60_000);
