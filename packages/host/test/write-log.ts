/** node write-log.ts PATH: continues the output of a run in a log, without an end. */
import { JsonFileLog } from '../src/log/json-file-log.ts';
import { endlessOutput } from './output.ts';

const [path = ''] = process.argv.slice(2);
const log = await JsonFileLog.open(path, { run: 'r', maxBytes: 1_000_000, maxFiles: 100 });
const from = log.offset ?? 0;
process.stdout.write('ready\n');
let offset = 0;
for (const { stream, data } of endlessOutput()) {
  const skip = Math.max(0, from - offset);
  if (skip < data.length) await log.write(stream, data.subarray(skip), { offset: offset + skip });
  offset += data.length;
}
