import { UnsupportedError, ZlayerError } from '@zlayer/runtime-core';
import { z } from 'zod';

const base64 = z.base64().max(8192);
const positive = z.number().int().positive().max(Number.MAX_SAFE_INTEGER);

const schema = z.object({
  version: z.literal(1),
  os: z.enum(['darwin', 'linux']).default('darwin'),
  arch: z.enum(['arm64', 'amd64']).default('arm64'),
  cpuCountMin: positive.max(1024),
  cpuCount: positive.max(1024),
  memorySizeMin: positive,
  memorySize: positive,
  macAddress: z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i),
  display: z.object({ width: positive.max(32768), height: positive.max(32768) }).default({ width: 1024, height: 768 }),
  diskFormat: z.string().default('raw'),
  ecid: base64.optional(),
  hardwareModel: base64.optional(),
});

/** What a Tart image says of its machine. Sizes are in bytes. */
export type TartConfig = z.infer<typeof schema>;

/**
 * @throws ZlayerError `PULL_FAILED` for what is no configuration, with the field at fault; `UNSUPPORTED` for a disk that is not kept raw.
 */
export function parseTartConfig(bytes: Uint8Array, subject: string): TartConfig {
  const wrong = (why: string, cause?: unknown): ZlayerError =>
    new ZlayerError('PULL_FAILED', `the configuration of ${subject} is none of Tart's: ${why}`, { subject, cause });
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch (cause) {
    throw wrong((cause as Error).message, cause);
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw wrong(`${issue?.path.join('.') || 'it'}: ${issue?.message}`, parsed.error);
  }
  const { data } = parsed;
  if (data.diskFormat !== 'raw') throw notRaw(data.diskFormat, subject);
  if (data.os === 'darwin' && (data.hardwareModel === undefined || data.ecid === undefined)) {
    throw wrong('a guest that runs macOS needs hardwareModel and ecid');
  }
  return data;
}

const FORMAT_LABEL = 'org.cirruslabs.tart.disk.format';

/**
 * Looks at what the image's own configuration, which is an ordinary one, says of the disk in a label.
 *
 * @throws ZlayerError `UNSUPPORTED` for a disk that is not kept raw.
 */
export function checkDiskLabel(bytes: Uint8Array, subject: string): void {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    // Tart says nothing else there.
    return;
  }
  const labels = z.object({ config: z.object({ Labels: z.record(z.string(), z.string()) }) }).safeParse(value);
  const format = labels.success ? labels.data.config.Labels[FORMAT_LABEL] : undefined;
  if (format !== undefined && format !== 'raw') throw notRaw(format, subject);
}

const notRaw = (format: string, subject: string): UnsupportedError =>
  new UnsupportedError(`${subject} has a disk in the format ${JSON.stringify(format)}`, {
    subject,
    remedy: 'Only raw disks can be used.',
  });
