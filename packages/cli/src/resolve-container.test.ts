import { expect, it } from 'vitest';
import { findContainer, idOfName } from './resolve-container.ts';

const all = (
  [
    ['web', 0, 'aa11'],
    ['web', 1, 'aa22'],
    ['web-0', 0, 'bb33'],
    ['db', 0, 'cc44'],
  ] as const
).map(([service, replica, instance]) => ({
  id: { service, replica },
  instance,
  image: 'image',
  state: { status: 'running' as const },
}));

it.each([
  ['web-0', 'aa11'],
  ['web', 'aa11'],
  ['web-1', 'aa22'],
  ['web-0-0', 'bb33'],
  ['cc', 'cc44'],
])('%s is the container %s', (name, instance) => {
  expect(findContainer(all, name).instance).toBe(instance);
});

it.each([
  ['aa', 'INVALID_SPEC'],
  ['', 'NOT_FOUND'],
  ['nobody', 'NOT_FOUND'],
])('%j is nobody, and never somebody else', (name, code) => {
  expect(() => findContainer(all, name)).toThrow(expect.objectContaining({ code }));
});

it('names new containers', () => {
  expect(idOfName('web')).toEqual({ service: 'web', replica: 0 });
  expect(idOfName('web-3')).toEqual({ service: 'web', replica: 3 });
  expect(() => idOfName('../up')).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
});
