import { expect, test } from 'vitest';
import { mergeScopes, repositoryScope } from './token-scope.ts';

test('a resource is named once, with all that is wanted of it', () => {
  const push = repositoryScope('a/b', 'pull', 'push');
  expect(push).toBe('repository:a/b:pull,push');
  expect(mergeScopes([push, 'repository:a/b:pull'])).toEqual([push]);
  expect(mergeScopes(['repository:a/b:pull', 'repository:c:pull', 'repository:a/b:push,delete'])).toEqual([
    'repository:a/b:pull,push,delete',
    'repository:c:pull',
  ]);
  expect(mergeScopes(['registry:catalog:*', 'odd'])).toEqual(['registry:catalog:*', 'odd']);
  expect(mergeScopes([])).toEqual([]);
});
