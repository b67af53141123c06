// Builds bundles:
//
//   pnpm --filter @zlayer/vzagent bundle [--architecture amd64|arm64]… [--output FOLDER] [--cache FOLDER]
//
// One folder for each architecture (default: both) below FOLDER (default: where this package ships them).

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ARCHITECTURES, ZlayerError } from '@zlayer/runtime-core';
import { packagePath } from '../package-folder.ts';
import { buildBundle } from './build-bundle.ts';

const { values } = parseArgs({
  options: {
    architecture: { type: 'string', multiple: true, default: [...ARCHITECTURES] },
    output: { type: 'string', default: packagePath('bundle') },
    cache: { type: 'string' },
  },
});

try {
  for (const name of values.architecture) {
    const architecture = ARCHITECTURES.find((known) => known === name);
    if (architecture === undefined) {
      throw new ZlayerError('INVALID_SPEC', `"${name}" is none of ${ARCHITECTURES.join(', ')}`, { subject: name });
    }
    const folder = resolve(values.output, architecture);
    const { manifest } = await buildBundle({
      architecture,
      folder,
      cacheDir: values.cache,
      onProgress: (line) => console.error(line),
    });
    const sizes = Object.entries(manifest.files).map(([kind, { size }]) => `${kind} ${size}`);
    console.log(`${folder}: ${manifest.kernelVersion}, ${sizes.join(', ')} bytes`);
  }
} catch (error) {
  if (!(error instanceof ZlayerError)) throw error;
  console.error([error.message, error.remedy].filter((line) => line !== undefined).join('\n'));
  process.exitCode = 1;
}
