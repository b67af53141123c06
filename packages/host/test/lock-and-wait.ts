/** node lock-and-wait.ts lock|own PATH: takes a lock or a directory, says `ready` or the error's code, and stays. */
import { FileLock } from '../src/lock/file-lock.ts';
import { Ownership } from '../src/owner/ownership.ts';

const [what, path = ''] = process.argv.slice(2);
try {
  const held = what === 'lock' ? await FileLock.tryAcquire(path) : await Ownership.claim(path);
  process.stdout.write(held === undefined ? 'busy\n' : 'ready\n');
  setInterval(() => held, 1000);
} catch (error) {
  process.stdout.write(`${(error as { code?: string }).code}\n`);
}
