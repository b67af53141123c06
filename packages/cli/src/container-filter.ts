import { type ContainerDetails, formatContainerId, ZlayerError } from '@zlayer/runtime-core';

type Match = (details: ContainerDetails, wanted: string) => boolean;

const STATUSES = ['pending', 'initializing', 'running', 'paused', 'stopping', 'exited', 'failed'] as const;
/** What Docker calls the states that are named otherwise here. */
const DOCKER_STATUSES: Readonly<Record<string, (typeof STATUSES)[number]>> = { created: 'pending', dead: 'failed' };

const MATCHES: Readonly<Record<string, Match>> = {
  id: ({ instance }, wanted) => instance.startsWith(wanted),
  name: ({ id }, wanted) => new RegExp(wanted).test(formatContainerId(id)),
  status: ({ state }, wanted) => state.status === (DOCKER_STATUSES[wanted] ?? wanted),
  label: ({ spec }, wanted) => {
    const at = wanted.indexOf('=');
    if (at < 0) return Object.hasOwn(spec.labels, wanted);
    const name = wanted.slice(0, at);
    return Object.hasOwn(spec.labels, name) && spec.labels[name] === wanted.slice(at + 1);
  },
};

/** Which containers a list shows. */
export interface ContainerFilter {
  /** A state was asked for, so that the containers that do not run are looked at, too. */
  asksForStatus: boolean;
  matches(details: ContainerDetails): boolean;
}

/**
 * Reads filters `key=value` as Docker does: different keys must all match; of the values of one key one is enough, but
 * every label must be there. `INVALID_SPEC` for a key, a state or a pattern that is none.
 */
export function parseContainerFilter(filters: readonly string[]): ContainerFilter {
  const wanted = new Map<string, string[]>();
  for (const text of filters) {
    const at = text.indexOf('=');
    const key = text.slice(0, Math.max(at, 0));
    const value = text.slice(at + 1);
    if (!Object.hasOwn(MATCHES, key)) {
      throw invalid(text, `Filter by ${Object.keys(MATCHES).join(', ')}, as in --filter status=exited.`);
    }
    checkValue(text, key, value);
    wanted.set(key, [...(wanted.get(key) ?? []), value]);
  }
  return {
    asksForStatus: wanted.has('status'),
    matches: (details) =>
      [...wanted].every(([key, values]) => {
        const one = (value: string): boolean => MATCHES[key]?.(details, value) ?? false;
        return key === 'label' ? values.every(one) : values.some(one);
      }),
  };
}

function checkValue(text: string, key: string, value: string): void {
  const known = [...STATUSES, ...Object.keys(DOCKER_STATUSES)];
  if (key === 'status' && !known.includes(value)) throw invalid(text, `The states are ${known.join(', ')}.`);
  if (key !== 'name') return;
  try {
    new RegExp(value);
  } catch (cause) {
    throw invalid(text, 'A name is a regular expression.', cause);
  }
}

function invalid(text: string, remedy: string, cause?: unknown): ZlayerError {
  return new ZlayerError('INVALID_SPEC', `${JSON.stringify(text)} is not a filter`, { subject: text, remedy, cause });
}
