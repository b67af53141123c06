/**
 * Starts machines of the addon, one after the other: many-machines ADDON KERNEL COUNT. Every third is stopped and
 * closed, every third closed while it runs, every third ends and is left to the collector. Prints how many descriptors
 * are open that were not after the first three.
 */
import { openSync, readdirSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { VzMachine } from '../src/vz-machine.ts';

const [addon = '', kernel = '', count = ''] = process.argv.slice(2);
const console_ = openSync('/dev/null', 'w');
const config = {
  ...{ kernel, initramfs: kernel, commandLine: 'quiet', cpus: 1, memoryBytes: 128 * 1024 ** 2 },
  ...{ shares: [], disks: [], network: { mac: null } },
};

async function runOne(round: number): Promise<void> {
  const machine = new VzMachine(config, { addon, console: console_ });
  await machine.start({ listen: [1025] });
  if (machine.state !== 'running') throw new Error(`a machine that was started is ${machine.state}`);
  // Nobody listens yet.
  const answer = await machine.connect(1024).catch((error: { code: string }) => error.code);
  if (answer !== 'NETWORK') throw new Error('a call to nobody did not fail');
  if (round % 3 !== 1) await machine.stop();
  if (round % 3 !== 2) await machine.close();
  await machine.ended;
}

const open = (): number => readdirSync('/proc/self/fd').length;

/** Descriptors are closed on the machines' own queues, a moment later; so it has to hold a while. */
async function settled(): Promise<number> {
  let before = open();
  for (let same = 0, tries = 0; same < 10 && tries < 200; tries++) {
    globalThis.gc?.();
    await setTimeout(50);
    same = open() === before ? same + 1 : 0;
    before = open();
  }
  return before;
}

let before = 0;
for (let round = 0; round < Number(count); round++) {
  await runOne(round);
  if (round === 2) before = await settled();
}
process.stdout.write(`${(await settled()) - before} descriptors more\n`);
