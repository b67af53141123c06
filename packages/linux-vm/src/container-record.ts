import { join } from 'node:path';
import { JsonRecord } from '@zlayer/host';
import { containerIdSchema, type ServiceSpec, serviceSpecSchema } from '@zlayer/runtime-core';
import { z } from 'zod';

const exit = z.discriminatedUnion('reason', [
  z.object({ reason: z.literal('exited'), exitCode: z.number() }),
  z.object({ reason: z.literal('signal'), exitCode: z.number(), signal: z.number() }),
  z.object({ reason: z.literal('oom-killed'), exitCode: z.number() }),
  // JSON has no `undefined`: the code that nobody knows is left out, and put back here.
  z
    .object({ reason: z.literal('runtime-error'), message: z.string() })
    .transform((result) => ({ ...result, exitCode: undefined })),
]);

const state = z.discriminatedUnion('status', [
  z.object({ status: z.enum(['pending', 'initializing', 'running', 'paused', 'stopping']) }),
  z.object({ status: z.literal('exited'), exitCode: z.number() }),
  z.object({ status: z.literal('failed'), reason: z.string() }),
]);

const publishedPort = z.object({
  protocol: z.enum(['tcp', 'udp']),
  containerPort: z.number(),
  hostAddress: z.string(),
  hostPort: z.number(),
});

const time = z.iso
  .datetime()
  .transform((text) => new Date(text))
  .optional();

const schema = z.object({
  id: containerIdSchema,
  /** Tells the container from a later one of its id. */
  instance: z.string(),
  image: z.object({ reference: z.string(), digest: z.string() }),
  platform: z.object({ os: z.enum(['linux', 'darwin']), architecture: z.enum(['amd64', 'arm64']) }),
  spec: serviceSpecSchema,
  /** What the spec and the image's configuration make together. */
  process: z.object({
    argv: z.array(z.string()),
    env: z.array(z.tuple([z.string(), z.string()])),
    cwd: z.string().optional(),
    user: z.string(),
    stopSignal: z.number(),
  }),
  state,
  /** Names the present or last run in the log. Empty before the first. */
  run: z.string(),
  createdAt: z.iso.datetime().transform((text) => new Date(text)),
  startedAt: time,
  endedAt: time,
  exit: exit.optional(),
  /** With the ports that were chosen; empty while it does not run. */
  ports: z.array(publishedPort),
  /** Since somebody started it; and since the last run that went well. */
  restarts: z.number(),
  failedRuns: z.number(),
  /** Somebody has stopped it. */
  stopped: z.boolean(),
  /** Names of the volumes that it uses. */
  volumes: z.array(z.string()),
});

/** What is kept of a container in its directory. */
export type ContainerRecord = Omit<z.output<typeof schema>, 'spec'> & { spec: ServiceSpec };

/** Opens the record of the container in a directory. */
export function containerRecord(directory: string): JsonRecord<ContainerRecord> {
  return new JsonRecord<ContainerRecord>(join(directory, 'container.json'), { schema, version: 2, migrations: {} });
}
