/** node start-toy.ts DATA-DIRECTORY: prints the pid of the supervisor that it has found or started, and leaves. */
import { fileURLToPath } from 'node:url';
import { startSupervisor } from '../src/supervisor/start-supervisor.ts';

const module = fileURLToPath(new URL('./toy-supervisor.ts', import.meta.url));
await using client = await startSupervisor({
  dataDirectory: process.argv[2] ?? '',
  module,
  nodeArgs: ['--no-warnings'],
});
process.stdout.write(`${client.pid}\n`);
