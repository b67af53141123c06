// Writes an image of one large file and many small ones; run by resources.test.ts in a process of its own.
//
//   node stream-file.ts IMAGE MEGABYTES SMALL_FILES SMALL_SIZE

import { ErofsWriter } from '../erofs-writer.ts';
import type { ErofsNode } from '../node.ts';
import { bytes } from './tree.ts';

const [image = '', megabytes = '0', smallFiles = '0', smallSize = '0'] = process.argv.slice(2);
const attributes = { mode: 0o644, uid: 0, gid: 0, mtime: 0 };
const chunk = bytes(1 << 18);

const before = process.memoryUsage.rss();
try {
  await using writer = await ErofsWriter.create(image, { sync: false });
  const entries: [string, ErofsNode][] = [];
  for (let index = 0; index < Number(smallFiles); index++) {
    const sink = writer.begin(Number(smallSize));
    const pressure = sink.write(chunk.subarray(index % 5000, (index % 5000) + Number(smallSize)));
    if (pressure !== undefined) await pressure;
    entries.push([`small-${index}`, { ...attributes, type: 'file', data: sink.end() }]);
  }
  const big = writer.begin(Number(megabytes) * 2 ** 20);
  while (big.remaining > 0) {
    const pressure = big.write(chunk);
    if (pressure !== undefined) await pressure;
  }
  entries.push(['big', { ...attributes, type: 'file', data: big.end() }]);
  await writer.finish({ ...attributes, type: 'directory', entries });
  // Kilobytes, as getrusage gives them.
  const grown = Math.round(process.resourceUsage().maxRSS / 1024 - before / 2 ** 20);
  console.log(JSON.stringify({ grownMegabytes: grown }));
} catch (error) {
  const { code, message } = error as { code?: string; message?: string };
  console.log(JSON.stringify({ code, message }));
}
