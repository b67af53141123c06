import type { ProcessExit } from '@zlayer/vzagent-proto';
import { expect, it } from 'vitest';
import { exitResult } from './exit-result.ts';

const exit = (fields: Partial<ProcessExit>): ProcessExit => ({
  ...{ code: 0, signal: null, oomKilled: false, outputEnd: 0, droppedBytes: 0 },
  ...fields,
});

it('tells a code above 128 from a signal, and both from want of memory', () => {
  expect(exitResult(exit({ code: 137 }))).toEqual({ reason: 'exited', exitCode: 137 });
  expect(exitResult(exit({ code: 137, signal: 9 }))).toEqual({ reason: 'signal', exitCode: 137, signal: 9 });
  expect(exitResult(exit({ code: 137, signal: 9, oomKilled: true }))).toEqual({ reason: 'oom-killed', exitCode: 137 });
  expect(exitResult(exit({ oomKilled: null }))).toEqual({ reason: 'exited', exitCode: 0 });
});
