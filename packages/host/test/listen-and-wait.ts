/** node listen-and-wait.ts PATH: listens on a Unix socket, says `ready`, and stays. */
import { createServer } from 'node:net';

createServer().listen(process.argv[2], () => process.stdout.write('ready\n'));
