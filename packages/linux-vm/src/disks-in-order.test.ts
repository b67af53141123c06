import type { StartSpec } from '@zlayer/vzagent-proto';
import { expect, it } from 'vitest';
import { disksInOrder } from './disks-in-order.ts';

const disks = Array.from({ length: 30 }, (_, index) => ({ path: `/${index}`, readOnly: true, serial: `disk${index}` }));
const mount = (kind: string, source: string): object => ({ kind, source, target: '/x' });
const start = (root: object, mounts: object[]): StartSpec => ({ root, mounts }) as unknown as StartSpec;

it('a guest that knows no serials finds its root and its volumes by their places', () => {
  const root = { lower: 'erofs', lowerSource: 'disk0', upper: 'disk', upperSource: 'disk1' };
  const mounts = [mount('disk', 'disk2'), mount('disk', 'disk25'), mount('disk', 'disk26'), mount('share', 'disk3')];
  expect(disksInOrder(start(root, mounts), disks)).toMatchObject({
    root: { lowerSource: '/dev/vda', upperSource: '/dev/vdb' },
    mounts: [{ source: '/dev/vdc' }, { source: '/dev/vdz' }, { source: '/dev/vdaa' }, { source: 'disk3' }],
  });
  const shared = { lower: 'share', lowerSource: 'disk0', upper: 'tmpfs', upperSource: '' };
  expect(disksInOrder(start(shared, []), disks).root).toEqual(shared);
});
