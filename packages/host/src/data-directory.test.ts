import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { containerDirectory, dataDirectory } from './data-directory.ts';

test('data lies where the program says, the environment says, or the platform has it', () => {
  const env = { HOME: '/home/me', ZLAYER_DATA_DIR: '/srv/z', XDG_DATA_HOME: '/xdg' };
  expect(dataDirectory({ option: 'here', env })).toBe(resolve('here'));
  expect(dataDirectory({ env })).toBe('/srv/z');
  expect(dataDirectory({ env: { ...env, ZLAYER_DATA_DIR: '' }, platform: 'linux' })).toBe('/xdg/zlayer');
  expect(dataDirectory({ env: { HOME: '/h', XDG_DATA_HOME: 'x' }, platform: 'linux' })).toBe('/h/.local/share/zlayer');
  const mac = '/Users/me/Library/Application Support/zlayer';
  expect(dataDirectory({ env: { HOME: '/Users/me', XDG_DATA_HOME: '/xdg' }, platform: 'darwin' })).toBe(mac);
});

test('a wrong ZLAYER_DATA_DIR is an error, not another directory', () => {
  expect(() => dataDirectory({ env: { ZLAYER_DATA_DIR: 'relative' } })).toThrow('not an absolute path');
});

test('no name leads out of the data directory', () => {
  expect(containerDirectory('/d', 'qemu', { service: 'db', replica: 2 })).toBe('/d/qemu/containers/db-2');
  for (const service of ['..', '.', '', 'a/b', '../x', 'a\0b', 'x'.repeat(64)]) {
    expect(() => containerDirectory('/d', 'qemu', { service, replica: 0 })).toThrow('is not the id of a container');
  }
  for (const replica of [-1, 1.5, Number.NaN]) {
    expect(() => containerDirectory('/d', 'qemu', { service: 'db', replica })).toThrow('is not the id of a container');
  }
  expect(() => containerDirectory('/d', '..', { service: 'db', replica: 0 })).toThrow('is not the name of a runtime');
});
