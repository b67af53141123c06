import fc from 'fast-check';
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

  it('keeps every id and name apart, and never makes root of anything else', () => {
    const id = fc.integer({ min: 0, max: 2 ** 32 - 2 });
    const name = fc.stringMatching(/^[a-z_][a-z0-9_-]{0,20}$/);
    const principal = fc.oneof(
      id.map((number) => ({ text: String(number), value: { id: number } })),
      name.map((text) => ({ text, value: { name: text } })),
    );
    fc.assert(
      fc.property(principal, fc.option(principal, { nil: undefined }), (user, group) => {
        const text = group === undefined ? user.text : `${user.text}:${group.text}`;
        expect(parseUser(text)).toEqual(group ? { user: user.value, group: group.value } : { user: user.value });
      }),
    );
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), (text) => {
        try {
          const { user } = parseUser(text);
          if ('id' in user && user.id === 0) expect(text).toMatch(/^0+(?::|$)/);
        } catch (error) {
          expect(error).toMatchObject({ code: 'INVALID_SPEC' });
        }
      }),
    );
  });
});
