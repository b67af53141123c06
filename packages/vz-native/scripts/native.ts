/** Builds vz-host and the addon to `native/build/Release`: on macOS vz-host is signed ad hoc, elsewhere they are over the double. */
import { join } from 'node:path';
import { signProgram } from '../src/sign-program.ts';
import { build } from './node-gyp.ts';

const folder = await build();
if (process.platform === 'darwin') await signProgram(join(folder, 'vz-host'));
