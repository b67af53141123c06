/** installations.ts ADDON FOLDER: installs macOS, as the double does it, gives it up, and lets go of a machine meanwhile. */
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { macGuestsByAddon, VzMachine } from '../src/index.ts';

const [, , addon = '', folder = ''] = process.argv;
const MIB = 1024 ** 2;
const path = (name: string): string => join(folder, name);
const image = path('macos/latest.ipsw');

process.env['VZ_DOUBLE_MACOS'] = path('macos');
mkdirSync(path('macos'));
for (const name of ['macos/disk', 'disk']) writeFileSync(path(name), Buffer.alloc(4 * MIB));
const needs = { hardwareModel: 2, minCpus: 1, minMemoryBytes: MIB };
writeFileSync(image, JSON.stringify({ build: '24B83', version: '15.1.0', ...needs, disk: path('macos/disk') }));

const tools = macGuestsByAddon({ addon });
const hardwareModel = (await tools.loadRestoreImage(image)).needs?.hardwareModel ?? '';
await tools.createAuxiliaryStorage(path('aux'), hardwareModel);
const machine = new VzMachine(
  {
    macos: {
      ...{ hardwareModel, machineIdentifier: await tools.newMachineIdentifier(), auxiliaryStorage: path('aux') },
      display: { width: 1024, height: 768, pixelsPerInch: 80 },
    },
    ...{ cpus: 1, memoryBytes: 256 * MIB, network: null },
    shares: [{ tag: 'shared', path: folder, readOnly: true }],
    disks: [{ path: path('disk'), readOnly: false, serial: 'disk', cache: 'cached' }],
  },
  { addon, console: openSync(path('installations.log'), 'a') },
);
const tell = (error: Error): void => console.log(error.message);
await machine.install(image);
console.log('installed');
const abort = new AbortController();
const onProgress = (fraction: number): void => {
  if (fraction > 0.2) abort.abort(new Error('changed my mind'));
};
await machine.install(image, { signal: abort.signal, onProgress }).catch(tell);
await machine.install(path('missing.ipsw')).catch(tell);
const left = machine.install(image).catch(tell);
await machine.close();
await left;
