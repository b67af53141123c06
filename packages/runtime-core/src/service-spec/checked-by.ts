import type { z } from 'zod';
import { isZlayerError } from '../errors.ts';

/** Lets one of our parsers check a value: its typed error becomes an issue at the place where the value stands. */
export function checkedBy<T>(parse: (value: T) => unknown) {
  return (context: z.core.ParsePayload<T>): void => {
    try {
      parse(context.value);
    } catch (error) {
      context.issues.push({ code: 'custom', input: context.value, message: messageOf(error) });
    }
  };
}

/** Lets one of our parsers turn a value into what it means, in the same way. */
export function parsedBy<In, Out>(parse: (value: In) => Out) {
  return (value: In, context: z.core.$RefinementCtx<In>): Out => {
    try {
      return parse(value);
    } catch (error) {
      context.issues.push({ code: 'custom', input: value, message: messageOf(error) });
      return undefined as never;
    }
  };
}

function messageOf(error: unknown): string {
  if (!isZlayerError(error)) throw error;
  return error.remedy ? `${error.message}. ${error.remedy}` : error.message;
}
