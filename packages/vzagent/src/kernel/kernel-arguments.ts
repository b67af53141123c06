import type { Architecture } from '@zlayer/runtime-core';

/**
 * The kernel command line that a guest boots fastest and safest with; the console and the agent's own words
 * (`rootfstag=`, `zlayer.boottime=`, `zlayer.ready=`) come beside it.
 */
export function kernelArguments(architecture: Architecture): string[] {
  const common = [
    // A guest that cannot go on restarts at once, which ends a VM that is told not to restart.
    'panic=-1',
    // Lines on a serial port cost time in every VMM; warnings and errors are still printed.
    'quiet',
    'cryptomgr.notests',
    'random.trust_cpu=on',
    // Changes of cgroups, mounts and namespaces wait for every processor, 10 ms each time; a guest's few can be asked.
    'rcupdate.rcu_expedited=1',
    // A self-test and a tracing facility: a tenth of a second of an emulated boot for nothing a guest uses.
    'initcall_blacklist=init_kprobe_trace,crypto_kdf108_init',
  ];
  return architecture === 'amd64' ? [...common, 'tsc=reliable', 'no_timer_check'] : common;
}
