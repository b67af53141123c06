/** node launch-and-wait.ts PROGRAM CONFIG: launches a host, says `ready`, and stays. */
import { launchHost } from '../dist/index.js';

const [program, config] = process.argv.slice(2);
if (program === undefined || config === undefined) throw new Error('usage: launch-and-wait.ts PROGRAM CONFIG');
const host = await launchHost(JSON.parse(config), { program });
process.stdout.write('ready\n');
await host.waitForExit();
