import { expect } from 'vitest';
import type { ErrorCode, ZlayerError } from '../errors.ts';
import { isZlayerError } from '../errors.ts';

/** Expects a promise to reject with a `ZlayerError` of one of the codes, and gives the error back. */
export async function expectError(promise: Promise<unknown>, ...codes: ErrorCode[]): Promise<ZlayerError> {
  const outcome = await promise.then(
    (value) => ({ resolved: value }),
    (error: unknown) => ({ error }),
  );
  if ('resolved' in outcome) {
    throw new Error(`it should have failed with ${codes.join(' or ')}, and resolved to ${show(outcome.resolved)}`);
  }
  const { error } = outcome;
  if (!isZlayerError(error)) throw new Error(`it failed with what is no ZlayerError: ${show(error)}`, { cause: error });
  expect(codes, `the code of: ${error.message}`).toContain(error.code);
  expect(error.message).not.toBe('');
  return error;
}

/** Expects a promise to reject with exactly this reason. */
export async function expectReason(promise: Promise<unknown>, reason: unknown): Promise<void> {
  const outcome = await promise.then(
    (value) => ({ resolved: value }),
    (error: unknown) => ({ error }),
  );
  expect(outcome).toEqual({ error: reason });
  if ('error' in outcome) expect(outcome.error).toBe(reason);
}

/** Reads a stream to its end, or to its failure. */
export async function drain<T>(stream: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of stream) all.push(item);
  return all;
}

function show(value: unknown): string {
  return value instanceof Error ? `${value.name}: ${value.message}` : (JSON.stringify(value) ?? String(value));
}
