import { describe, expect, it } from 'vitest';
import { parseUser } from './user.ts';

describe('parseUser', () => {
  it('resolves ids and keeps names for the container to look up', () => {
    expect(parseUser('1000')).toEqual({ user: { id: 1000 } });
    expect(parseUser('1000:2000')).toEqual({ user: { id: 1000 }, group: { id: 2000 } });
    expect(parseUser('postgres')).toEqual({ user: { name: 'postgres' } });
    expect(parseUser('git:27')).toEqual({ user: { name: 'git' }, group: { id: 27 } });
  });

  it('takes nobody for root only when nothing is said', () => {
    expect(parseUser('')).toEqual({ user: { id: 0 }, group: { id: 0 } });
  });

  it.each([':', 'a:', ':1', '1:2:3', '-1', '4294967295', '4294967296', 'a b', 'a/b', 'a\nroot', '1.5'])(
    'refuses %j',
    (text) => {
      expect(() => parseUser(text)).toThrow(expect.objectContaining({ code: 'INVALID_SPEC' }));
    },
  );
});
