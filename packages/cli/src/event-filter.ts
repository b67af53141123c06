import { ZlayerError } from '@zlayer/runtime-core';

/** What a filter looks at. */
export interface FilteredEvent {
  /** Of the container. */
  name: string;
  instance: string;
  type: string;
  /** In Docker's words, if there is one. */
  action: string | undefined;
}

const MATCHES: Readonly<Record<string, (event: FilteredEvent, wanted: string) => boolean>> = {
  container: ({ name, instance }, wanted) =>
    name === wanted || name === `${wanted}-0` || (wanted.length > 0 && instance.startsWith(wanted)),
  // Docker's words, such as `die`, and those of the JSON output, such as `exited`.
  event: ({ type, action }, wanted) => [type, action, action?.split(':')[0]].includes(wanted),
  type: (_, wanted) => wanted === 'container',
};

/**
 * Reads filters `key=value` as Docker does: different keys must all match, and one value of each.
 *
 * @throws ZlayerError `INVALID_SPEC` for a key that is none.
 */
export function parseEventFilter(filters: readonly string[]): (event: FilteredEvent) => boolean {
  const wanted = new Map<string, string[]>();
  for (const text of filters) {
    const at = text.indexOf('=');
    const key = text.slice(0, Math.max(at, 0));
    if (!Object.hasOwn(MATCHES, key)) {
      throw new ZlayerError('INVALID_SPEC', `${JSON.stringify(text)} is not a filter`, {
        subject: text,
        remedy: `Filter by ${Object.keys(MATCHES).join(', ')}, as in --filter event=die.`,
      });
    }
    wanted.set(key, [...(wanted.get(key) ?? []), text.slice(at + 1)]);
  }
  return (event) => [...wanted].every(([key, values]) => values.some((value) => MATCHES[key]?.(event, value)));
}
