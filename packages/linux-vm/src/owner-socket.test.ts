import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { runDirectory } from '@zlayer/host';
import { ConflictError, isZlayerError } from '@zlayer/runtime-core';
import { describe, expect, it } from 'vitest';
import { askOwner, type OwnerCalls, OwnerSocket, removeTracesOf } from './owner-socket.ts';

const container = { service: 'web', replica: 0, instance: 'one' };

const nothing: OwnerCalls = {
  start: async () => ({ stages: {}, warnings: [] }),
  stop: async () => {},
  kill: async () => {},
  remove: async () => {},
  pause: async () => {},
  unpause: async () => {},
  wait: async () => ({ reason: 'exited', exitCode: 0 }),
  closeStdin: async () => {},
  resize: async () => {},
};

describe('what is asked of the owner of a container', () => {
  it('is done there, and its answer comes back', async () => {
    const owner = randomUUID();
    const asked: unknown[] = [];
    const stop: OwnerCalls['stop'] = async (...args) => {
      asked.push(args);
    };
    await using _ = await OwnerSocket.listen(owner, { ...nothing, stop });
    expect(await askOwner(owner, 'stop', [container, 1500])).toBeUndefined();
    expect(asked).toEqual([[container, 1500]]);
    expect(await askOwner(owner, 'wait', [container, 'not-running'])).toEqual({ reason: 'exited', exitCode: 0 });
  });

  it('fails here as it does there', async () => {
    const owner = randomUUID();
    const pause: OwnerCalls['pause'] = async () => {
      throw new ConflictError('it is not running', { subject: 'web-0', remedy: 'Start it.' });
    };
    await using _ = await OwnerSocket.listen(owner, { ...nothing, pause });
    const error = await askOwner(owner, 'pause', [container]).catch((caught: unknown) => caught);
    expect(isZlayerError(error)).toBe(true);
    expect(error).toMatchObject({ code: 'CONFLICT', subject: 'web-0', remedy: 'Start it.' });
  });

  it('does not wait for ever for an owner that ends, or is not there', async () => {
    const owner = randomUUID();
    const socket = await OwnerSocket.listen(owner, { ...nothing, wait: () => new Promise(() => {}) });
    const waiting = askOwner(owner, 'wait', [container, 'not-running']).catch((caught: unknown) => caught);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await socket[Symbol.asyncDispose]();
    expect(await waiting).toMatchObject({ code: 'UNAVAILABLE' });
    await expect(askOwner(owner, 'unpause', [container])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('leaves nothing behind: neither an owner that forgets to close, nor one that was killed', async () => {
    const module = new URL('owner-socket.ts', import.meta.url).href;
    const owners = { forgets: randomUUID(), killed: randomUUID() };
    const start = (owner: string, rest: string): ChildProcess => {
      const program = `await (await import(${JSON.stringify(module)})).OwnerSocket.listen('${owner}', {}); ${rest}`;
      return spawn(process.execPath, ['--input-type=module', '--eval', program], {
        stdio: ['ignore', 'pipe', 'ignore'],
      });
    };
    const directory = (owner: string): Promise<string> => runDirectory(`owner ${owner}`);
    await once(start(owners.forgets, ''), 'close');
    expect(await readdir(await directory(owners.forgets))).toEqual([]);
    const killed = start(owners.killed, "console.log('ready'); setInterval(() => {}, 1000);");
    if (killed.stdout !== null) await once(killed.stdout, 'data');
    killed.kill('SIGKILL');
    await once(killed, 'close');
    expect(await readdir(await directory(owners.killed))).toEqual(['owner.sock']);
    for (const owner of Object.values(owners)) await removeTracesOf(owner);
  });

  it('is given up when its signal says so', async () => {
    const owner = randomUUID();
    await using _ = await OwnerSocket.listen(owner, { ...nothing, wait: () => new Promise(() => {}) });
    const controller = new AbortController();
    const waiting = askOwner(owner, 'wait', [container, 'removed'], { signal: controller.signal });
    setTimeout(() => controller.abort(new Error('enough')), 20);
    await expect(waiting).rejects.toThrow('enough');
  });

  it('is nothing but what an owner can be asked for', async () => {
    const owner = randomUUID();
    await using _ = await OwnerSocket.listen(owner, nothing);
    const call = 'constructor' as keyof OwnerCalls;
    await expect(askOwner(owner, call, [container] as never)).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});
