import { expect, test } from 'vitest';
import { parseChallenges } from './challenge.ts';

const parsed = (header: string | string[] | undefined) =>
  parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]);

test('the challenges that registries send are understood', () => {
  expect(parsed(undefined)).toEqual([]);
  expect(parsed('Bearer realm="https://auth.example/token",service="reg",scope="repository:a/b:pull,push"')).toEqual([
    ['bearer', { realm: 'https://auth.example/token', service: 'reg', scope: 'repository:a/b:pull,push' }],
  ]);
  expect(parsed('Basic realm="a \\"quoted\\" name"')).toEqual([['basic', { realm: 'a "quoted" name' }]]);
  expect(parsed('Basic realm=bare, Bearer realm = "x" , service=y')).toEqual([
    ['basic', { realm: 'bare' }],
    ['bearer', { realm: 'x', service: 'y' }],
  ]);
  expect(parsed(['Negotiate', 'BEARER realm="x"'])).toEqual([
    ['negotiate', {}],
    ['bearer', { realm: 'x' }],
  ]);
});

test('nonsense gives no challenge that could be answered, and takes no time', () => {
  expect(parsed('"=,,=')).toEqual([]);
  expect(parsed(`Bearer ${'a="'.repeat(20_000)}`)[0]?.[0]).toBe('bearer');
  expect(parsed(`Bearer realm="${'\\'.repeat(60_000)}`)[0]?.[0]).toBe('bearer');
});
