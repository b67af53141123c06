/** node launch-and-leave.ts PROGRAM CONFIG: launches a host, and has nothing else to do. */
import { launchHost } from '../dist/index.js';

const [program, config] = process.argv.slice(2);
if (program === undefined || config === undefined) throw new Error('usage: launch-and-leave.ts PROGRAM CONFIG');
await launchHost(JSON.parse(config), { program });
