import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { loadAddon } from './load-addon.ts';

describe('loadAddon', () => {
  it.skipIf(process.platform === 'darwin')('says elsewhere than on a Mac why there is nothing to load', () => {
    expect(() => loadAddon()).toThrow(
      expect.objectContaining({ code: 'UNAVAILABLE', message: expect.stringContaining('a part of macOS') }),
    );
  });

  it('names an addon that does not load', () => {
    const path = join(import.meta.dirname, 'none.node');
    expect(() => loadAddon(path)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE', subject: path }));
  });

  it('refuses in a worker thread, whose end machines would not survive in order', async () => {
    const source = JSON.stringify(join(import.meta.dirname, 'load-addon.ts'));
    const worker = new Worker(
      `const { parentPort } = require('node:worker_threads');
       import(${source}).then(({ loadAddon }) => {
         try { loadAddon(); } catch (error) { parentPort.postMessage(error.code + ': ' + error.message); }
       });`,
      { eval: true },
    );
    const [said] = await once(worker, 'message');
    await worker.terminate();
    expect(said).toBe('UNAVAILABLE: virtual machines cannot be held in a worker thread');
  });
});
