import { z } from 'zod';

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
