/** Compiles krun-host to dist/native/krun-host; on macOS it is signed ad hoc, with the entitlement for the hypervisor. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { RELEASE } from '../../host/build/compile-program.ts';
import { compileKrunHost } from './krun-host.ts';

const output = fileURLToPath(new URL('../dist/native/krun-host', import.meta.url));
compileKrunHost(output, RELEASE);
if (process.platform === 'darwin') {
  const entitlements = fileURLToPath(new URL('../native/krun-host.entitlements', import.meta.url));
  execFileSync('/usr/bin/codesign', ['--force', '--sign', '-', '--entitlements', entitlements, output]);
}
