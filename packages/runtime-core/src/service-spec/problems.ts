import type { z } from 'zod';
import { quote } from '../quote.ts';
import { MAX_PROBLEMS } from './limits.ts';

/** What is wrong with a spec, and where. */
export interface SpecProblem {
  /** Where it is: `resources.memory`, `ports[1].containerPort`, `env.PATH`; empty for the spec itself. */
  place: string;
  message: string;
}

export type Path = readonly PropertyKey[];

export function placeOf(path: Path): string {
  let place = '';
  for (const step of path) {
    if (typeof step === 'number') place += `[${step}]`;
    else {
      const name = /^[\w.@/=-]{1,80}$/.test(String(step)) ? String(step) : quote(String(step));
      place += place === '' ? name : `.${name}`;
    }
  }
  return place;
}

/** All problems in one line, as far as anybody will read them. */
export function describeProblems(problems: readonly SpecProblem[]): string {
  const shown = problems.map(({ place, message }) => (place ? `${place}: ${message}` : message));
  return shown.length < MAX_PROBLEMS ? shown.join('; ') : `${shown.join('; ')}; and maybe more`;
}

/** Turns what zod found into problems: a union into those of the member that was meant, a bad key into its reasons. */
export function problemsOf(issues: readonly z.core.$ZodIssue[], base: Path = []): SpecProblem[] {
  return issues.slice(0, MAX_PROBLEMS).flatMap((issue): SpecProblem[] => {
    const path = [...base, ...issue.path];
    if (issue.code === 'invalid_key') return problemsOf(issue.issues, path);
    if (issue.code === 'invalid_union') {
      const meant = issue.errors.filter((errors) => !errors.some(isOfAnotherType));
      const [only] = meant;
      if (only && meant.length === 1) return problemsOf(only, path);
      const types = issue.errors.flat().flatMap((error) => (isOfAnotherType(error) ? [error.expected] : []));
      if (types.length > 0 && meant.length === 0) {
        return [{ place: placeOf(path), message: `expected ${[...new Set(types)].join(' or ')}` }];
      }
    }
    return [{ place: placeOf(path), message: issue.message }];
  });
}

function isOfAnotherType(issue: z.core.$ZodIssue): issue is z.core.$ZodIssueInvalidType {
  return issue.code === 'invalid_type' && issue.path.length === 0;
}
