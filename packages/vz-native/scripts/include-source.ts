/** include-source SOURCE OUTPUT: writes a file that includes the source, and leaves one that does so already. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';

const [source = '', output = ''] = process.argv.slice(2);
const text = `#import ${JSON.stringify(resolve(source))}\n`;
if (!existsSync(output) || readFileSync(output, 'utf8') !== text) writeFileSync(output, text);
