// `npm start`: set-up, then a container in a virtual machine. Plain JavaScript for any Node ≥ 18.
//
//   npm start                                  a small image, made, served, pulled and run
//   npm start -- --platform linux/arm64        the same in an arm64 guest
//   npm start -- [options] IMAGE [COMMAND…]    any image: the arguments of `zlayer run`

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { cache, root } from './bootstrap/paths.mjs';
import { main, prepare } from './bootstrap/prepare.mjs';
import { node, toolchainEnvironment } from './bootstrap/toolchain.mjs';

/** The demonstration takes a platform and nothing else. */
function isDemonstration(args) {
  return (
    args.length === 0 ||
    (args.length === 2 && args[0] === '--platform') ||
    (args.length === 1 && args[0].startsWith('--platform='))
  );
}

/** Runs a program in the foreground: it has the terminal, and the signals that this process gets. */
function foreground(program, args, env) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { env, stdio: 'inherit' });
    // A terminal sends Ctrl-C to the child as well; other signals come here alone.
    process.on('SIGINT', () => {});
    for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
}

await main(async () => {
  await prepare();
  const args = process.argv.slice(2);
  const env = toolchainEnvironment();
  env.ZLAYER_DATA_DIR ??= join(cache, 'data');
  const program = isDemonstration(args)
    ? [join(root, 'scripts', 'demo', 'main.ts'), ...args]
    : [join(root, 'packages', 'cli', 'dist', 'bin.js'), 'run', ...args];
  return foreground(node(), program, env);
});
