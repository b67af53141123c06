// `zlayer` as it is on a Mac, over the double of the framework, whose guests are arm64.
import { join } from 'node:path';
import { VzLinuxRuntime } from '@zlayer/vz-linux';
import { program } from '../src/program.ts';
import { settingsOf } from '../src/runtimes.ts';

const hostProgram = join(import.meta.dirname, '../../vz-native/native/build/Release/vz-host');
const { stdin, stdout, stderr, env } = process;
await program({
  stdin,
  stdout,
  stderr,
  env,
  local: async (options) => new VzLinuxRuntime({ ...settingsOf(options), hostProgram, architecture: 'arm64' }),
  supervised: () => Promise.reject(new Error('a supervisor opens runtimes by their names')),
}).parseAsync();
