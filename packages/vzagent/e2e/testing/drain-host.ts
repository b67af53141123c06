// A host of its own: `node drain-host.ts SOCKET FILE SCRIPT`. Starts SCRIPT as the workload, or attaches to it when FILE
// has output already, and appends what it writes to FILE. Only what has reached the disk is acknowledged, so that this
// process may be killed at any moment. Prints the length of FILE now and then, and `exit CODE` at the end.
import { once } from 'node:events';
import { fstatSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { createConnection } from 'node:net';
import { AgentClient } from '@zlayer/vzagent-proto';
import { SHARE_ROOT, startSpec } from './start-spec.ts';

const SYNC_EVERY = 1024 * 1024;
const SPOOL = 4 * SYNC_EVERY;

const [socket = '', path = '', script = ''] = process.argv.slice(2);
const client = new AgentClient(async () => {
  const stream = createConnection(socket);
  await once(stream, 'connect');
  return stream;
});
const file = openSync(path, 'a');
let length = fstatSync(file).size;
let synced = length;

const spec = startSpec({ root: SHARE_ROOT, argv: ['/bin/sh', '-c', script], spoolBytes: SPOOL });
const terms = { spoolBytes: SPOOL, whenFull: 'block', stdin: false } as const;
const workload = await (length === 0
  ? client.start(spec, { acknowledge: 'explicit' })
  : client.attach(0, { ...terms, offset: length, acknowledge: 'explicit' }));

const sync = (): void => {
  fsyncSync(file);
  synced = length;
  workload.taken(length);
  console.log(String(length));
};
for await (const { offset, data } of workload.output) {
  if (offset !== length) throw new Error(`output from ${offset} where ${length} belongs`);
  length += writeSync(file, data);
  if (length !== offset + data.length) throw new Error('the file took less');
  if (length - synced >= SYNC_EVERY) sync();
}
const { code } = await workload.exited;
sync();
console.log(`exit ${code}`);
