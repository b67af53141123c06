import { expect, it } from 'vitest';
import { DetachKeys, parseDetachKeys } from './detach-keys.ts';

function type(keys: string, ...chunks: string[]): [string, boolean] {
  const detach = new DetachKeys(parseDetachKeys(keys));
  let passed = '';
  for (const chunk of chunks) {
    const { data, isDetached } = detach.take(Buffer.from(chunk));
    passed += Buffer.from(data).toString();
    if (isDetached) return [passed, true];
  }
  return [passed, false];
}

it.each<[string, string[], [string, boolean]]>([
  ['ctrl-p,ctrl-q', ['ab\x10\x11cd'], ['ab', true]],
  ['ctrl-p,ctrl-q', ['ab\x10', '\x11'], ['ab', true]],
  ['ctrl-p,ctrl-q', ['\x10x\x11'], ['\x10x\x11', false]],
  ['ctrl-p,ctrl-q', ['\x10', '\x10', '\x11'], ['\x10', true]],
  ['ctrl-a,d', ['\x01d'], ['', true]],
  ['', ['\x10\x11'], ['\x10\x11', false]],
])('with %j, %j passes on and detaches as %j', (keys, chunks, expected) => {
  expect(type(keys, ...chunks)).toEqual(expected);
});

it('refuses what is no key', () => {
  expect(() => parseDetachKeys('ctrl-pp')).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
});
