import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { findPasst, hasDefaultRoute } from './passt.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'krun-routes-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const HEAD = 'Iface\tDestination\tGateway \tFlags\n';
const NO_WAY = `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 ${'0'.repeat(32)} ffffffff 00000001 00000000 00200200       lo\n`;

it('a machine without a way to the outside is known by its routes', async () => {
  const routes = (four: string, six: string): Promise<boolean> => {
    writeFileSync(join(folder, 'route'), four);
    writeFileSync(join(folder, 'ipv6_route'), six);
    return hasDefaultRoute(folder);
  };
  expect(await routes(`${HEAD}eth0\t00000000\t010200C0\t0003\n`, '')).toBe(true);
  expect(await routes(`${HEAD}eth0\t000200C0\t00000000\t0001\n`, NO_WAY)).toBe(false);
  const way = NO_WAY.replace('lo\n', 'eth0\n');
  expect(await routes(HEAD, `${NO_WAY}${way}`)).toBe(true);
  expect(await hasDefaultRoute('/nowhere')).toBe(false);
});

it.runIf(process.platform === 'linux')('passt is the one in PATH that can be run', () => {
  const path = join(folder, 'passt');
  writeFileSync(path, '');
  expect(findPasst({ PATH: `relative:${folder}` })).toBeUndefined();
  chmodSync(path, 0o755);
  expect(findPasst({ PATH: `relative:${folder}` })).toBe(path);
  expect(findPasst({})).toBeUndefined();
});
