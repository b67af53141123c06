import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { decodeFrame, encodeFrame } from './frame.ts';
import type { Message } from './message.ts';
import { type FieldType, SCHEMA } from './schema.ts';

const goldenFile = new URL('../../../../shared/vzagent-golden.json', import.meta.url);

if (existsSync(goldenFile)) {
  const golden: readonly { msg: { type: string; [field: string]: unknown }; frame: string }[] = JSON.parse(
    readFileSync(goldenFile, 'utf8'),
  );

  test('every message is in the golden file', () => {
    const types = new Set(golden.map(({ msg }) => msg.type));
    expect(SCHEMA.filter(({ tag, name }) => tag < 32 && !types.has(name))).toEqual([]);
  });

  for (const { msg, frame } of golden) {
    const message = messageOf(msg);

    test(`the reference agent understands our ${msg.type}: ${frame.slice(0, 32)}`, () => {
      expect(Buffer.from(encodeFrame(message)).toString('hex')).toBe(frame);
    });

    test(`we understand the reference agent's ${msg.type}: ${frame.slice(0, 32)}`, () => {
      expect(decodeFrame(Uint8Array.from(Buffer.from(frame, 'hex')))).toStrictEqual(message);
    });
  }
} else {
  test('frames of the reference codec', ({ skip }) => skip(`${goldenFile.pathname} is not there`));
}

/** The golden file writes bytes as hex in a field named `hex`, and 64-bit integers as decimal strings. */
function messageOf({ type, ...fields }: { type: string; [field: string]: unknown }): Message {
  const schema = SCHEMA.find(({ name }) => name === type);
  if (schema === undefined) throw new Error(`the golden file has an unknown message: ${type}`);
  const { hex, ...rest } = fields;
  const values = hex === undefined ? rest : { ...rest, data: hex };
  return { type, ...recordOf(schema.fields, values) } as Message;
}

function recordOf(fields: { readonly [name: string]: FieldType }, values: unknown): Record<string, unknown> {
  const entries = Object.entries(values as Record<string, unknown>);
  return Object.fromEntries(
    entries.map(([name, value]) => {
      const type = fields[name];
      if (type === undefined) throw new Error(`the golden file has an unknown field: ${name}`);
      return [name, parsed(type, value)];
    }),
  );
}

function parsed(type: FieldType, value: unknown): unknown {
  if (type === 'bytes') return Uint8Array.from(Buffer.from(String(value), 'hex'));
  if (type === 'u64' || type === 'i64') return BigInt(String(value));
  if (typeof type === 'object' && 'list' in type) return (value as unknown[]).map((item) => parsed(type.list, item));
  if (typeof type === 'object' && 'struct' in type) return recordOf(type.fields, value);
  return value;
}
