import { ZlayerError } from '../errors.ts';
import type { Runtime } from '../runtime.ts';
import { isNotFound, isRefusal } from './refusal.ts';

/**
 * The answers of all runtimes that can give one. All are asked, also when one fails.
 *
 * @throws the failure; the first refusal when every runtime refuses; `INTERNAL` with an `AggregateError` as its cause
 *   when several fail.
 */
export async function askAll<T>(runtimes: readonly Runtime[], ask: (runtime: Runtime) => Promise<T>): Promise<T[]> {
  const answers: T[] = [];
  const refusals: unknown[] = [];
  const failures: unknown[] = [];
  for (const result of await Promise.allSettled(runtimes.map(async (runtime) => ask(runtime)))) {
    if (result.status === 'fulfilled') answers.push(result.value);
    else (isRefusal(result.reason) ? refusals : failures).push(result.reason);
  }
  if (failures.length > 0) throw oneOf(failures);
  if (answers.length === 0) throw refusals[0];
  return answers;
}

/**
 * The answer of the first runtime that has what is asked for.
 *
 * @throws what a runtime fails with; when none has it, the first `NOT_FOUND`, or the first refusal when all refuse.
 */
export async function askFirst<T>(runtimes: readonly Runtime[], ask: (runtime: Runtime) => Promise<T>): Promise<T> {
  const refusals: unknown[] = [];
  const absences: unknown[] = [];
  for (const runtime of runtimes) {
    try {
      return await ask(runtime);
    } catch (error) {
      if (isNotFound(error)) absences.push(error);
      else if (isRefusal(error)) refusals.push(error);
      else throw error;
    }
  }
  throw absences[0] ?? refusals[0];
}

/** Does something in every runtime that has what it is about. Fails as {@link askAll} does, and when none has it. */
export async function askHolders(
  runtimes: readonly Runtime[],
  ask: (runtime: Runtime) => Promise<void>,
): Promise<void> {
  const absences: unknown[] = [];
  const answers = await askAll(runtimes, async (runtime) => {
    try {
      await ask(runtime);
      return true;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      absences.push(error);
      return false;
    }
  });
  if (!answers.includes(true)) throw absences[0];
}

/** The only failure, or one for all of them. */
export function oneOf(failures: readonly unknown[]): unknown {
  if (failures.length === 1) return failures[0];
  const messages = failures.map((failure) => (failure instanceof Error ? failure.message : String(failure)));
  return new ZlayerError('INTERNAL', `${failures.length} runtimes failed: ${messages.join('; ')}`, {
    cause: new AggregateError(failures),
  });
}
