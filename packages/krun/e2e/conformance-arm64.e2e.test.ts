import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guestConformance } from '@zlayer/test-images/conformance';
import { afterAll, describe } from 'vitest';
import { KrunRuntime } from '../src/index.ts';
import { krunDouble, withoutJail } from './double.ts';

const folder = mkdtempSync(join(tmpdir(), 'krun-double-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const double = await krunDouble(folder);

describe.skipIf(withoutJail !== undefined)('over the double of libkrun (needs Landlock)', () => {
  guestConformance('KrunRuntime', {
    architecture: 'arm64',
    open: (dataDir) => new KrunRuntime({ dataDir, ...double }),
  });
});
