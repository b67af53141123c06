import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Where GCC's headers of its Objective-C runtime are, of whichever version is there. */
export function objcHeaders(): string {
  const base = `/usr/lib/gcc/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
  const versions = readdirSync(base).sort((a, b) => Number(b) - Number(a));
  const found = versions.find((version) => readdirSync(join(base, version, 'include')).includes('objc'));
  return join(base, found ?? '12', 'include');
}
