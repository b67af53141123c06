#!/usr/bin/env node
import { program } from './program.ts';
import { chooseRuntime, openRuntime, settingsOf } from './runtimes.ts';
import { superviseRuntime } from './supervisor/connect.ts';

// A reader that has gone is the matter of whoever writes, if of anybody.
for (const target of [process.stdout, process.stderr]) target.on('error', () => {});

await program({
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  local: async (options) => {
    const settings = settingsOf(options);
    return await openRuntime(await chooseRuntime(options.runtime, settings), settings);
  },
  supervised: async (options) => {
    return await superviseRuntime(await chooseRuntime(options.runtime, settingsOf(options)), {
      dataDir: options.dataDir,
    });
  },
}).parseAsync();
