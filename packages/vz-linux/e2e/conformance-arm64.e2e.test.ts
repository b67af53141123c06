import { guestConformance } from '@zlayer/test-images/conformance';
import { VzLinuxRuntime } from '../src/index.ts';
import { DOUBLE } from './double.ts';

guestConformance('VzLinuxRuntime', {
  architecture: 'arm64',
  open: (dataDir) => new VzLinuxRuntime({ dataDir, ...DOUBLE }),
});
