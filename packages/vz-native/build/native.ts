/**
 * Compiles vz-host: on macOS to dist/native/vz-host, signed ad hoc; elsewhere over the double of the framework to
 * dist/double/vz-host, for tests.
 */
import { fileURLToPath } from 'node:url';
import { signProgram } from '../src/sign-program.ts';
import { CORE, compile, HOST, sourcesIn } from './compile.ts';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const isMac = process.platform === 'darwin';
const output = `${dist}/${isMac ? 'native' : 'double'}/vz-host`;
await compile({
  output,
  sources: [...sourcesIn(CORE), ...sourcesIn(HOST)],
  ...(isMac ? {} : { hostProgram: fileURLToPath(new URL('../../host/dist/native/zlayer-host', import.meta.url)) }),
});
if (isMac) await signProgram(output);
