import { join } from 'node:path';
import type { VzDriverOptions } from '../src/index.ts';

/** `vz-host` over the double of the framework, whose guests are arm64. Elsewhere than on a Mac that is all there is. */
export const DOUBLE = {
  hostProgram: join(import.meta.dirname, '../../vz-native/native/build/Release/vz-host'),
  architecture: 'arm64',
} as const satisfies VzDriverOptions;

process.env['VZ_DOUBLE_ENTITLEMENTS'] = 'com.apple.security.virtualization';

/** The same in this process. */
export const IN_PROCESS = {
  hosting: 'in-process',
  addon: join(import.meta.dirname, '../../vz-native/native/build/Release/vz-native.node'),
  architecture: 'arm64',
} as const satisfies VzDriverOptions;
