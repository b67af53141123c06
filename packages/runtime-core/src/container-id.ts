import { z } from 'zod';
import { ZlayerError } from './errors.ts';
import { quote, subjectOf } from './quote.ts';

/** A container is one replica of a service. */
export interface ContainerId {
  service: string;
  replica: number;
}

/** Service names become directory names and host names, so they are short and plain. */
export const containerIdSchema = z.strictObject({
  service: z
    .string()
    .regex(
      /^[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/,
      'use 1 to 63 letters, digits, ".", "_" or "-", beginning and ending with a letter or digit',
    ),
  replica: z.int().min(0).max(0xffff_ffff),
});

/** How an id is shown, and how its directory is called: `service-replica`. */
export function formatContainerId(id: ContainerId): string {
  return `${id.service}-${id.replica}`;
}

/**
 * Reads what {@link formatContainerId} writes: `web-0`, `my-service-12`.
 *
 * @throws ZlayerError `INVALID_SPEC`
 */
export function parseContainerId(text: string): ContainerId {
  const match = /^(.{1,63})-(0|[1-9]\d{0,9})$/.exec(text);
  const id = containerIdSchema.safeParse({ service: match?.[1], replica: Number(match?.[2]) });
  if (id.success) return id.data;
  throw new ZlayerError('INVALID_SPEC', `${quote(text)} is not a container id`, {
    subject: subjectOf(text),
    remedy: 'Use the name of a service and the number of a replica, such as web-0.',
  });
}

/**
 * Refuses what is no id of a container.
 *
 * @throws ZlayerError `INVALID_SPEC`, with every problem.
 */
export function checkContainerId({ service, replica }: ContainerId): void {
  const result = containerIdSchema.safeParse({ service, replica });
  if (result.success) return;
  const problems = result.error.issues.map(({ message }) => message).join('; ');
  const text = subjectOf(JSON.stringify({ service, replica }));
  throw new ZlayerError('INVALID_SPEC', `${text} is not a container id: ${problems}`, { cause: result.error });
}
