/** node toy-supervisor.ts DATA-DIRECTORY: a supervisor that supervises nothing. */
import { setTimeout as delay } from 'node:timers/promises';
import { ZlayerError } from '@zlayer/runtime-core';
import { type SupervisorRequest, serveSupervisor } from '../src/supervisor/serve-supervisor.ts';

if (process.env['TOY_FAILS']) throw new Error('toys are broken');
let aborted = 0;
let busy = false;
const supervisor = await serveSupervisor({
  dataDirectory: process.argv[2] ?? '',
  version: '1.2.3',
  idleMs: 300,
  isBusy: () => busy,
  handle: async ({ method, params, signal, emit }: SupervisorRequest) => {
    if (method === 'echo') return params;
    if (method === 'busy') {
      busy = params === true;
      return undefined;
    }
    if (method === 'aborted') return aborted;
    if (method === 'count') {
      for (let i = 0; i < Number(params); i += 1) emit(i);
      return 'counted';
    }
    if (method === 'wait') {
      await delay(60_000, undefined, { signal }).catch(() => {
        aborted += 1;
      });
      return undefined;
    }
    if (method === 'large') return 'x'.repeat(Number(params));
    if (method === 'bug') throw new TypeError('a bug');
    throw new ZlayerError('NOT_FOUND', `no ${method}`, { subject: method, remedy: 'Ask for something else.' });
  },
});
await supervisor.finished;
