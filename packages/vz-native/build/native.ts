/**
 * Compiles vz-host and the addon: on macOS to dist/native, vz-host signed ad hoc; elsewhere over the double of the
 * framework to dist/double, for tests.
 */
import { fileURLToPath } from 'node:url';
import { signProgram } from '../src/sign-program.ts';
import { ADDON, CORE, compile, HOST, sourcesIn } from './compile.ts';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const isMac = process.platform === 'darwin';
const folder = `${dist}/${isMac ? 'native' : 'double'}`;
const program = `${folder}/vz-host`;
const common = isMac
  ? {}
  : { hostProgram: fileURLToPath(new URL('../../host/dist/native/zlayer-host', import.meta.url)) };
await compile({ ...common, output: program, sources: [...sourcesIn(CORE), ...sourcesIn(HOST)] });
const addon = [...sourcesIn(CORE), ...sourcesIn(ADDON)];
await compile({ ...common, output: `${folder}/vz-native.node`, sources: addon, addon: true });
if (isMac) await signProgram(program);
