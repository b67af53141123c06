/** Compiles zlayer-host to dist/native/zlayer-host. `CC` names another compiler than `cc`. */
import { fileURLToPath } from 'node:url';
import { compile } from './compile.ts';
import { RELEASE } from './compile-program.ts';

compile({
  output: fileURLToPath(new URL('../dist/native/zlayer-host', import.meta.url)),
  flags: RELEASE,
});
