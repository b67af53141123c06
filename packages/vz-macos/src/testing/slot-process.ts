// Takes a slot, tells so, and keeps it until its input ends: node slot-process.ts DIRECTORY TIMEOUT

import { text } from 'node:stream/consumers';
import { ZlayerError } from '@zlayer/runtime-core';
import { VmSlot } from '../slots/vm-slot.ts';

const [, , directory = '', timeout = '0'] = process.argv;
try {
  using _slot = await VmSlot.acquire({ directory, timeout: Number(timeout) });
  console.log('has it');
  await text(process.stdin);
} catch (error) {
  if (!(error instanceof ZlayerError)) throw error;
  console.log(error.code);
}
