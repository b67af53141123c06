import { InvalidSpecError } from '../errors.ts';
import { ISOLATION_LABEL } from '../labels.ts';
import { quote, subjectOf } from '../quote.ts';

/** What can isolate a container, as the isolation label of a container and the runtime label of an image name it. */
export const ISOLATIONS = ['vz-linux', 'vz', 'vm', 'qemu', 'sandbox'] as const;
/** One of the {@link ISOLATIONS}. */
export type Isolation = (typeof ISOLATIONS)[number];

const SPELLINGS: ReadonlyMap<string, Isolation> = new Map([
  ...ISOLATIONS.map((name) => [name, name] as const),
  ['libkrun', 'vm'],
  ['seatbelt', 'sandbox'],
]);

/** The isolation that a text names in any case, if it is one. `libkrun` is `vm`, `seatbelt` is `sandbox`. */
export function findIsolation(text: string): Isolation | undefined {
  return SPELLINGS.get(text.toLowerCase());
}

/**
 * The isolation that the labels of a container ask for, if they do.
 *
 * @throws ZlayerError `INVALID_SPEC` when the label names none that there is.
 */
export function isolationOf(labels: Readonly<Record<string, string>>): Isolation | undefined {
  const value = Object.hasOwn(labels, ISOLATION_LABEL) ? labels[ISOLATION_LABEL] : undefined;
  if (value === undefined) return undefined;
  const isolation = findIsolation(value);
  if (isolation) return isolation;
  throw new InvalidSpecError(`the label ${ISOLATION_LABEL} has the unknown value ${quote(value)}`, {
    subject: subjectOf(value),
    remedy: `Use ${[...SPELLINGS.keys()].join(', ')}, or leave the label out.`,
  });
}
