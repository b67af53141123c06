import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ContainerId, containerIdSchema } from '@zlayer/runtime-core';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { JsonRecord } from './json-record.ts';

let directory: string;
let path: string;
let record: JsonRecord<ContainerId>;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'record-'));
  path = join(directory, 'container.json');
  record = new JsonRecord(path, {
    version: 2,
    schema: containerIdSchema,
    migrations: { 1: ({ name }) => ({ service: name, replica: 0 }) },
  });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('a record comes back as it was written, checked', async () => {
  expect(await record.read()).toBeUndefined();
  await record.write({ service: 'web', replica: 1 });
  expect(await record.read()).toEqual({ service: 'web', replica: 1 });
  expect(JSON.parse(readFileSync(path, 'utf8'))).toEqual({ version: 2, service: 'web', replica: 1 });
  expect(await record.update((id) => ({ ...id, replica: 2 }))).toEqual({ service: 'web', replica: 2 });
  expect(await record.read()).toEqual({ service: 'web', replica: 2 });
});

test('a record of a newer program is refused, one of an older program is understood', async () => {
  writeFileSync(path, '{"version":3,"anything":true}');
  await expect(record.read()).rejects.toMatchObject({ code: 'UNSUPPORTED', subject: path, remedy: expect.any(String) });
  writeFileSync(path, '{"version":1,"name":"old"}');
  expect(await record.read()).toEqual({ service: 'old', replica: 0 });
});

test('wherever a crash has torn the file, the record before is read', async () => {
  await record.write({ service: 'first', replica: 1 });
  await record.write({ service: 'second', replica: 2 });
  const whole = readFileSync(path);
  for (let size = 0; size < whole.length - 1; size += 1) {
    for (const rest of ['', '\0'.repeat(whole.length - size)]) {
      writeFileSync(path, `${whole.subarray(0, size)}${rest}`);
      expect(await record.read()).toEqual({ service: 'first', replica: 1 });
    }
  }
  await record.write({ service: 'third', replica: 3 });
  expect(await record.read()).toEqual({ service: 'third', replica: 3 });
});

test.each(['', '[]', '{}', '{"version":"2"}', '{"version":0}', '{"version":2,"service":"../etc","replica":0}'])(
  'a record %j with nothing before it is damaged, not empty',
  async (text) => {
    writeFileSync(path, text);
    await expect(record.read()).rejects.toMatchObject({ code: 'INTERNAL', subject: path });
  },
);

test('what a writer left that was killed is removed by the next one, and nothing else is', async () => {
  for (const name of [
    'container.json.999999999-0123abcd',
    `container.json.${process.pid}-0123abcd`,
    'container.json.other',
  ]) {
    writeFileSync(join(directory, name), 'half');
  }
  await record.write({ service: 'web', replica: 1 });
  expect(readdirSync(directory).sort()).toEqual([
    'container.json',
    `container.json.${process.pid}-0123abcd`,
    'container.json.other',
  ]);
});

test('changing a record that was never written is an error', async () => {
  await expect(record.update((id) => id)).rejects.toMatchObject({ code: 'NOT_FOUND', subject: path });
});
