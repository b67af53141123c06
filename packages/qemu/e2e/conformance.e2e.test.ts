import { guestConformance } from '@zlayer/test-images/conformance';
import { QemuRuntime } from '../src/index.ts';

guestConformance('QemuRuntime', { architecture: 'amd64', open: (dataDir) => new QemuRuntime({ dataDir }) });
