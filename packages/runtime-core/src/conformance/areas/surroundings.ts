import { expect } from 'vitest';
import type { Suite } from '../suite.ts';

/** CAP_NET_ADMIN in a mask. */
const NET_ADMIN = 1n << 12n;

/** What a spec says about the surroundings of the process. Starts up to six containers. */
export function surroundings(suite: Suite): void {
  suite.area('surroundings of the process', () => {
    suite.testWith('process.hostname', "the host name is the spec's", async (bench) => {
      const { output } = await bench.run(bench.shell('hostname', { hostname: 'conformance-host' }));
      expect(output.stdout).toBe('conformance-host\n');
    });

    suite.testWith('network.dns', "resolv.conf has the spec's servers and domains, in their order", async (bench) => {
      const dns = { servers: ['192.0.2.53', '2001:db8::53'], search: ['one.example', 'two.example'] };
      const { output } = await bench.run(bench.shell('showFiles', { dns, args: ['/etc/resolv.conf'] }));
      expect(output.stdout.match(/^nameserver .*$/gm)).toEqual(['nameserver 192.0.2.53', 'nameserver 2001:db8::53']);
      expect(output.stdout).toMatch(/^search one\.example two\.example$/m);
    });

    suite.testWith('network.extraHosts', 'further hosts are in the hosts file beside localhost', async (bench) => {
      const extraHosts = { 'db.example': '192.0.2.1', other: '2001:db8::1' };
      const { output } = await bench.run(bench.shell('showFiles', { extraHosts, args: ['/etc/hosts'] }));
      expect(output.stdout).toMatch(/^192\.0\.2\.1\s+db\.example$/m);
      expect(output.stdout).toMatch(/^2001:db8::1\s+other$/m);
      expect(output.stdout).toMatch(/^127\.0\.0\.1\s.*\blocalhost\b/m);
    });

    suite.testWith('network.none', 'without a network there is no interface to the outside', async (bench) => {
      const { output } = await bench.run(bench.shell('interfaces', { networkMode: 'none' }));
      expect(output.stdout.split('\n').filter((name) => /^(?:eth|en|wlan)/.test(name))).toEqual([]);
    });

    suite.testWith(
      'process.withoutInit',
      'without an init the workload is process 1, with one it is not',
      async (bench) => {
        const own = await bench.run(bench.shell('ownPid', { init: false }));
        expect(own.output.stdout).toBe('pid 1\n');
        const under = await bench.run(bench.shell('ownPid'));
        expect(under.output.stdout).toMatch(/^pid (?!1\n)\d+\n$/);
      },
    );

    suite.testWith('process.capabilities', 'capabilities are those that the spec leaves and gives', async (bench) => {
      const masks = async (capabilities: { add?: string[]; drop?: string[] }): Promise<Record<string, bigint>> => {
        const { output } = await bench.run(bench.shell('capabilities', { capabilities, user: '0:0' }));
        const lines = output.stdout
          .trim()
          .split('\n')
          .map((line) => line.split(/:\s+/));
        return Object.fromEntries(lines.map(([name, hex]) => [name, BigInt(`0x${hex}`)]));
      };
      expect(await masks({ drop: ['ALL'] })).toEqual({ CapEff: 0n, CapBnd: 0n });
      expect(await masks({ drop: ['ALL'], add: ['NET_ADMIN'] })).toEqual({ CapEff: NET_ADMIN, CapBnd: NET_ADMIN });
      const all = await masks({ add: ['ALL'], drop: ['NET_ADMIN'] });
      expect((all['CapEff'] ?? 0n) & NET_ADMIN).toBe(0n);
      expect(all['CapEff']).not.toBe(0n);
    });
  });
}
