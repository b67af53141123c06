import { once } from 'node:events';
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import { MessageChannel } from 'node:worker_threads';
import { describe, expect, expectTypeOf, it, vi } from 'vitest';
import { errorFromJSON } from './error-from-json.ts';
import { ERROR_CLASSES, ERROR_CODES, isZlayerError, NotFoundError, TimedOutError, ZlayerError } from './errors.ts';

class PackageError extends ZlayerError {
  override readonly name: string = 'PackageError';
  readonly reason = 'DIGEST_MISMATCH';
  readonly bytes = new Uint8Array(3);
  readonly counts = { layers: [1, 2] };
}

describe('the class of an error', () => {
  it.each(ERROR_CODES)('belongs to its code, so that both can be caught: %s', (code) => {
    const OfCode = ERROR_CLASSES[code];
    const error = new OfCode('it failed', { subject: 'web-0', remedy: 'Try again.', cause: 7 });
    expect(error).toMatchObject({ code, message: 'it failed', subject: 'web-0', remedy: 'Try again.', cause: 7 });
    expect(error).toBeInstanceOf(ZlayerError);
    expect(error.name).toBe(OfCode.name);
    for (const other of ERROR_CODES) expect(error instanceof ERROR_CLASSES[other]).toBe(other === code);
  });

  it('is recognized whoever made the error: by code, and by the subclass of a package', () => {
    expect(new ZlayerError('NOT_FOUND', 'x')).toBeInstanceOf(NotFoundError);
    expect(new PackageError('NOT_FOUND', 'x')).toBeInstanceOf(NotFoundError);
    expect(new ZlayerError('TIMEOUT', 'x')).not.toBeInstanceOf(NotFoundError);
    expect(Object.assign(new Error('x'), { code: 'NOT_FOUND' })).not.toBeInstanceOf(NotFoundError);
  });

  it('can be extended without taking in its siblings', () => {
    class NoSuchImage extends NotFoundError {}
    expect(new NoSuchImage('x')).toBeInstanceOf(NoSuchImage);
    expect(new NotFoundError('x')).not.toBeInstanceOf(NoSuchImage);
    expect(new PackageError('NOT_FOUND', 'x')).toBeInstanceOf(PackageError);
    expect(new ZlayerError('NOT_FOUND', 'x')).not.toBeInstanceOf(PackageError);
  });

  it('narrows the code for the compiler', () => {
    const error: unknown = new TimedOutError('x');
    if (!(error instanceof TimedOutError)) throw error;
    expectTypeOf(error.code).toEqualTypeOf<'TIMEOUT'>();
    expectTypeOf(error.remedy).toEqualTypeOf<string | undefined>();
  });
});

describe('an error on the screen', () => {
  it('shows its class, code, subject, remedy and cause', () => {
    const shown = inspect(
      new NotFoundError('there is no web-0', { subject: 'web-0', remedy: 'Create it.', cause: new Error('deeper') }),
    );
    expect(shown).toMatch(/^NotFoundError: there is no web-0\n {4}at /);
    for (const part of ["code: 'NOT_FOUND'", "subject: 'web-0'", "remedy: 'Create it.'", '[cause]: Error: deeper']) {
      expect(shown).toContain(part);
    }
  });

  it('does not mention what it does not have', () => {
    expect(inspect(new NotFoundError('x'))).not.toMatch(/subject|remedy|cause|undefined/);
  });
});

describe('isZlayerError', () => {
  it('knows an error of another copy of this package', async () => {
    vi.resetModules();
    const copy = await import('./errors.ts');
    const foreign = new copy.NotFoundError('x');
    expect(foreign).not.toBeInstanceOf(ZlayerError);
    expect(isZlayerError(foreign)).toBe(true);
    expect(copy.isZlayerError(new PackageError('CONFLICT', 'x'))).toBe(true);
  });

  it('knows an error of another realm', () => {
    const brand = "Symbol.for('@zlayer/runtime-core/error')";
    const code = `Object.assign(Object.create({ [${brand}]: true }), { code: 'TIMEOUT', message: 'x' })`;
    expect(isZlayerError(runInNewContext(code))).toBe(true);
  });

  it.each([
    undefined,
    null,
    'NOT_FOUND',
    new Error('x'),
    // Other libraries have codes of the same names.
    Object.assign(new Error('x'), { code: 'NOT_FOUND' }),
    new DOMException('x', 'TimeoutError'),
    structuredClone(new NotFoundError('x')),
    new NotFoundError('x').toJSON(),
  ])('refuses %o', (value) => {
    expect(isZlayerError(value)).toBe(false);
  });
});

describe('an error that goes to another thread or process', () => {
  const system = Object.assign(new Error('no route', { cause: 'cable' }), { code: 'EHOSTUNREACH', errno: -113 });
  const network = new PackageError('NETWORK', 'cannot reach it', { subject: 'ghcr.io', cause: system });
  const error = new ZlayerError('PULL_FAILED', 'no image', { subject: 'alpine', remedy: 'Log in.', cause: network });

  function expectSame(restored: ZlayerError): void {
    expect(isZlayerError(restored)).toBe(true);
    expect(restored).toBeInstanceOf(ERROR_CLASSES.PULL_FAILED);
    expect(restored).toMatchObject({ code: 'PULL_FAILED', subject: 'alpine', remedy: 'Log in.', message: 'no image' });
    expect(restored.name).toBe('ZlayerError');
    expect(restored.stack).toBe(error.stack);
    const cause = restored.cause as PackageError;
    expect(cause).toBeInstanceOf(ERROR_CLASSES.NETWORK);
    expect(cause.name).toBe('PackageError');
    expect(cause).toMatchObject({ subject: 'ghcr.io', reason: 'DIGEST_MISMATCH', counts: { layers: [1, 2] } });
    expect(cause).not.toHaveProperty('bytes');
    expect(cause.cause).toBeInstanceOf(Error);
    expect(cause.cause).toMatchObject({ message: 'no route', code: 'EHOSTUNREACH', errno: -113 });
    expect(isZlayerError(cause.cause)).toBe(false);
    expect((cause.cause as Error).cause).toMatchObject({ message: 'cable' });
    expect(restored.toJSON()).toEqual(error.toJSON());
  }

  it('keeps all of it through structured cloning', () => {
    expectSame(errorFromJSON(structuredClone(error.toJSON())));
  });

  it('keeps all of it through a message channel', async () => {
    const { port1, port2 } = new MessageChannel();
    try {
      const received = once(port2, 'message');
      port1.postMessage(error.toJSON());
      expectSame(errorFromJSON((await received)[0]));
    } finally {
      port1.close();
      port2.close();
    }
  });

  it('keeps all of it through JSON', () => {
    expectSame(errorFromJSON(JSON.parse(JSON.stringify(error))));
  });

  it.each(ERROR_CODES)('comes out as its class: %s', (code) => {
    const restored = errorFromJSON(new ERROR_CLASSES[code]('x').toJSON());
    expect(Object.getPrototypeOf(restored)).toBe(ERROR_CLASSES[code].prototype);
    expect(restored.name).toBe(ERROR_CLASSES[code].name);
  });

  it('survives causes that go in a circle, and details that JSON cannot hold', () => {
    const one = Object.assign(new NotFoundError('one'), { big: 1n, self: {} as unknown });
    one.self = one;
    Object.assign(one, { cause: new Error('two', { cause: one }), circle: [] as unknown[] });
    const data = structuredClone(one.toJSON());
    expect(data.details).not.toHaveProperty('big');
    expect(errorFromJSON(data)).toBeInstanceOf(NotFoundError);
    expect(() => JSON.stringify(one)).not.toThrow();
  });

  it.each([
    undefined,
    null,
    'x',
    7,
    [],
    {},
    { code: 'NOPE', message: 'x' },
    { code: 'NOT_FOUND' },
    { code: 'NOT_FOUND', message: 7 },
  ])('is refused when it is none: %j', (data) => {
    expect(() => errorFromJSON(data)).toThrow(expect.objectContaining({ code: 'INTERNAL' }));
  });

  it('cannot replace what errors are made of', () => {
    const hostile = JSON.parse(
      '{"name":"X","code":"NOT_FOUND","message":"m","subject":7,"details":{"__proto__":{"code":"CONFLICT"},"toString":1,"toJSON":1,"code":"CONFLICT","extra":1}}',
    );
    const error = errorFromJSON(hostile);
    expect(error).toMatchObject({ code: 'NOT_FOUND', extra: 1 });
    expect(error.subject).toBeUndefined();
    expect(String(error)).toBe('X: m');
    expect(error.toJSON()).toMatchObject({ code: 'NOT_FOUND' });
    let deep: unknown = { message: 'end' };
    for (let depth = 0; depth < 100_000; depth += 1) deep = { message: 'x', cause: deep };
    expect(errorFromJSON({ code: 'INTERNAL', message: 'x', cause: deep }).message).toBe('x');
  });
});
